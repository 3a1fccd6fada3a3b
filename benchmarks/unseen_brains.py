"""Which network finds small lesions in a brain that no training scan shows: leave one brain out.

python benchmarks/unseen_brains.py WORK --maker make_ms_cohort.py [--variants a,b] [--seeds 0,1,2]
    [--brains 7,19,26] [--train 24] [--test 4] [KEY=VALUE ...]

Three cohorts are made of three real brains, each tested on one brain and trained on the other two;
lesion shapes of test scans are of patients whose shapes no training scan holds, and the untouched
scan of the test brain is among them. Each variant is trained on each cohort once a seed and
predicts its test scans; what is there already is kept, so that brains can be shared out over
processes and variants added later. KEY=VALUE are settings of `lesionseg ablate`, such as
train.minutes=2 (equal minutes, on a machine that does nothing else) or train.steps=600.

The table pools the test scans of all brains asked for. Its intervals are over test scans: they hold
how much scans differ, not how much brains do, of which there are three.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from unittest import mock

import pandas as pd

from lesionseg.cli import compose
from lesionseg.evaluation.matched_rates import summarise_matched
from lesionseg.evaluation.metric import MEAN, POOLED
from lesionseg.evaluation.summary import summarise
from lesionseg.reporting import ReportCase, ScoringOptions, prediction_files
from lesionseg.reporting.scoring.score_cases import score_cases
from lesionseg.settings.ablate import AblateSettings, StudySettings
from lesionseg.settings.unet import PIXEL_LOSSES
from lesionseg.size_buckets import ALL_SIZES, SMALL_SIZES, SizeBuckets
from lesionseg.stages.dataset import open_dataset
from lesionseg.stages.preparation import prepare_cases
from lesionseg.stages.variants import train_variant, variant_settings

BRAINS = (7, 19, 26)
TEST_SHAPES = (1, 4, 6, 9, 11, 14, 16, 21, 23)  # patients; none is a test shape of the README
AT = (1.0, 2.0, 4.0, 8.0)  # false positives a scan
VARIANTS = {
    "unet": {"models": ["unet"]},
    **{
        f"unet_{loss}": {"models": ["unet"], "network": {"unet": {"loss": loss}}}
        for loss in PIXEL_LOSSES
    },
    "unet3d": {"models": ["unet3d"]},
    "maskrcnn": {"models": ["maskrcnn"]},
    "fusion": {"models": ["unet", "maskrcnn", "fusion"]},
    "fitted_anchors": {"models": ["maskrcnn"], "network": {"maskrcnn": {"anchors": "planned"}}},
}


def main() -> None:
    asked = _arguments()
    variants = asked.variants.split(",")
    seeds = tuple(int(seed) for seed in asked.seeds.split(","))
    cases: list[ReportCase] = []
    for brain in (int(number) for number in asked.brains.split(",")):
        root = asked.work / f"brain{brain:02d}" / "cohort"
        if not (root / "dataset.json").is_file():
            make_cohort(_module(asked.maker), root, brain, asked.train, asked.test)
        refuse_other_cohort(root, brain, asked.train, asked.test)
        study = _study(root, variants, seeds, asked.settings)
        train_all(study)
        cases += _cases(study, root)
    model_of = {f"{name}_{seed}": name for name in variants for seed in seeds}
    print(table(cases, model_of).to_string(index=False))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder for cohorts, models and masks")
    parser.add_argument("--maker", type=Path, required=True, help="script that makes a cohort")
    parser.add_argument("--variants", default="unet,maskrcnn")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--brains", default=",".join(map(str, BRAINS)))
    parser.add_argument("--train", type=int, default=24, help="training scans of a cohort")
    parser.add_argument("--test", type=int, default=4, help="test scans of a cohort")
    parser.add_argument("settings", nargs="*", help="KEY=VALUE of lesionseg ablate")
    return parser.parse_intermixed_args()


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("maker", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_cohort(maker: ModuleType, root: Path, brain: int, train: int, test: int) -> None:
    """Scans of two brains for training, of `brain` for testing."""
    words = [maker.__name__, str(root), "--train", str(train), "--test", str(test)]
    maker.TRAIN_BRAINS = tuple(other for other in BRAINS if other != brain)
    maker.TEST_BRAIN, maker.TEST_MASKS = brain, TEST_SHAPES
    with mock.patch.object(sys, "argv", [*words, "--seed", str(100 + brain)]):
        maker.main()


def refuse_other_cohort(root: Path, brain: int, train: int, test: int) -> None:
    """Stop where the cohort that is there has other numbers of scans."""
    if brain != 7:  # the maker's name of the untouched scan does not follow the brain
        for path in [*root.glob("*/real07*")]:
            path.rename(path.with_name(path.name.replace("real07", f"real{brain:02d}")))
    found = [len([*(root / part).glob("*.nii.gz")]) for part in ("labelsTr", "labelsTs")]
    if found != [train, test]:
        sys.exit(f"{root} holds {found} training and test scans, not {[train, test]}; remove it")


def _study(
    root: Path, variants: Sequence[str], seeds: tuple[int, ...], words: Sequence[str]
) -> AblateSettings:
    """The study of one cohort. Brains look alike by design, so look-alikes are allowed."""
    own = [f"data.root={root}", "data.allow_look_alikes=true", f"output={root.parent / 'study'}"]
    settings = compose("ablate", [*own, *words])
    chosen = StudySettings(name="unseen", variants={name: VARIANTS[name] for name in variants})
    edges_mm = settings.edges_mm or open_dataset(settings).card.edges_mm
    return settings.model_copy(update={"study": chosen, "seeds": seeds, "edges_mm": edges_mm})


def train_all(study: AblateSettings) -> None:
    """Train and predict what is not there yet."""
    with contextlib.redirect_stdout(io.StringIO()):
        prepare_cases(open_dataset(study), study)
    for variant in study.study.variants:
        for seed in study.seeds:
            settings = variant_settings(study, variant, seed)
            print(f"{Path(settings.output).parents[2].name}: {variant}, seed {seed}")
            with contextlib.redirect_stdout(io.StringIO()):  # what is the same is kept
                train_variant(settings, study)


def _cases(study: AblateSettings, root: Path) -> list[ReportCase]:
    """The test scans of one cohort with the masks of every variant and seed."""
    folders = {
        f"{variant}_{seed}": Path(variant_settings(study, variant, seed).output) / "predictions"
        for variant in study.study.variants
        for seed in study.seeds
    }
    return [
        ReportCase(
            case=mask.name.removesuffix(".nii.gz"),
            patient=mask.name.removesuffix(".nii.gz"),
            reference=mask,
            predictions={
                name: prediction_files(found, found / mask.name) for name, found in folders.items()
            },
            image=None,
        )
        for mask in sorted((root / "labelsTs").glob("*.nii.gz"))
    ]


def table(cases: Sequence[ReportCase], model_of: dict[str, str]) -> pd.DataFrame:
    """One row a variant: recall at matched false positives, Dice at its own thresholds."""
    options = ScoringOptions()
    buckets = SizeBuckets.from_edges(options.edges_mm)
    scored = score_cases(cases, options, workers=1)
    patients = {case.case: case.patient for case in cases}
    rows: dict[str, dict[str, str]] = {name: {"variant": name} for name in model_of.values()}
    for number in AT:
        found, at = summarise_matched(
            scored.candidates, patients, buckets, model_of=model_of, compare_at=number
        )
        large = {name: buckets.describe(name) for name in buckets.names[2:]}  # from 5 mm on
        for size, title in {SMALL_SIZES: "under 5 mm", **large, ALL_SIZES: "all"}.items():
            _fill(rows, found[found["bucket"] == size], f"{title} at {at or number:g}")
    own = summarise(scored.lesions, scored.predictions, scored.cases, buckets, model_of=model_of)
    for size in buckets.names:
        chosen = (own["metric"] == "region_dice") & (own["average"] == POOLED)
        _fill(rows, own[chosen & (own["bucket"] == size)], f"region Dice {buckets.describe(size)}")
    _fill(rows, own[(own["metric"] == "dice") & (own["average"] == MEAN)], "scan Dice")
    return pd.DataFrame(rows.values())


def _fill(rows: dict[str, dict[str, str]], found: pd.DataFrame, title: str) -> None:
    own = found[found["minus"].fillna("") == ""]
    for model, value, low, high, spread in own[
        ["model", "value", "low", "high", "seed_deviation"]
    ].itertuples(index=False):
        seeds = "" if pd.isna(spread) else f" ±{100 * spread:.1f}"
        rows[model][title] = f"{100 * value:.1f}{seeds} ({100 * low:.0f}-{100 * high:.0f})"


if __name__ == "__main__":
    main()
