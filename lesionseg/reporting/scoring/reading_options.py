"""How the scoring options ask for files to be read: the rule and labels of training's reader."""

from __future__ import annotations

from lesionseg.datasets.mask_labels import MaskLabels, checked_classes
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
        labels_way="say which values are lesions with labels=[...]",
    )


def mask_labels(options: ScoringOptions) -> MaskLabels | None:
    """What mask values mean; None where every value but 0 is lesion."""
    if options.labels is None:
        return None
    known = None if options.known_labels is None else frozenset(options.known_labels)
    return MaskLabels(known, checked_classes({"lesion": options.labels}))
