"""How the scoring options ask for files to be read: the rule and labels of training's reader."""

from __future__ import annotations

from lesionseg.datasets.mask_labels import MaskLabels
from lesionseg.io.reading import ReadingRule
from lesionseg.settings.report import ScoringOptions


def reading_rule(options: ScoringOptions) -> ReadingRule:
    """The rule of training, by the names that its settings have in a report."""
    return ReadingRule(
        assume_affine=options.assume_affine,
        dicom_irregular="refuse",
        fix_grid=options.fix_grid,
        mask_threshold=options.threshold,
        fix_grid_key="fix_grid",
        threshold_key="threshold",
        structures=options.structures,
        structures_key="structures",
        either_form=True,
        labels_way="say which values are lesions with labels=[...]"
        if len(options.classes) == 1
        else "name the others in labels, known_labels or ignore",
    )


def mask_labels(options: ScoringOptions) -> MaskLabels | None:
    """What mask values mean; None where every value but 0 is lesion."""
    if options.labels is None:
        return None
    return MaskLabels(options.known_values, options.classes)
