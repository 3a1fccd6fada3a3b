"""A part of the scans preprocessed by one of several jobs, in two steps with the plan between.

Jobs of the first step measure scans, each into a file of its own, and the last one plans as one
process would, from these files. Jobs of the second step make cases by that plan, and the last one
runs what one process runs, which finds every case made: so the outputs are those of one process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionseg import __version__
from lesionseg.datasets.dataset import Dataset
from lesionseg.errors import EXIT_SOME_REJECTED, CaseError, UsageError
from lesionseg.io.case_store import stored_key
from lesionseg.planning.plan import Plan
from lesionseg.planning.plan_file import read_plan, write_plan
from lesionseg.preprocessing.measuring import forget_kept, measure_and_keep
from lesionseg.preprocessing.planned import plan_dataset
from lesionseg.preprocessing.prepared import withdraw_prepared
from lesionseg.preprocessing.stage import store_cases
from lesionseg.settings.run import PreprocessStageSettings
from lesionseg.stages.jobs import REJECTED, Told, run_part, told_of_all
from lesionseg.stages.preparation import prepare_cases, prepared_folder
from lesionseg.storage.atomic import write_text
from lesionseg.storage.part_records import FOLDER, PartRecord, lacking, read_part_records
from lesionseg.storage.parts import Part
from lesionseg.storage.process_pool import case_pool
from lesionseg.storage.provenance import changed_parts, made_from, read_record, withdraw
from lesionseg.wording import counted

FINGERPRINT, CASES = "fingerprint", "cases"  # what records of these jobs are called
PLAN = "plan.json"  # in the folder of the records: what is to be made by plan.yaml
DONE = "done"


def prepare_part(settings: PreprocessStageSettings, part: Part, dataset: Dataset) -> int:
    """Do a step of preprocessing for a part of the scans, and what follows where it was the last;
    return the exit code. Raises as `run_part` and `build_dataset`, and UsageError where the second
    step has no plan yet."""
    if settings.step == FINGERPRINT:
        return _measure_part(settings, part, dataset)
    return _make_part(settings, part, dataset)


def shaping_parts(settings: PreprocessStageSettings, dataset: Dataset) -> dict[str, str]:
    """What shapes the outputs of all jobs of the first step, part by part."""
    how = settings.plain()
    data = {key: value for key, value in how["data"].items() if key != "root"}
    return made_from(
        version=__version__,
        settings=[data, how["dicom"], how["plan"], how["seed"]],
        scans=[(scan.case, scan.patient, scan.split) for scan in dataset.scans],
    )


def planned_cases(settings: PreprocessStageSettings, dataset: Dataset) -> tuple[Plan, list[str]]:
    """The plan that the first step left, and the cases that are to be made by it.

    Raises UsageError where it did not end, or something changed since.
    """
    output = Path(settings.output)
    content = read_record(output / FOLDER / PLAN)
    if content is None:
        records = read_part_records(output, FINGERPRINT)
        words = lacking(records, [scan.case for scan in dataset.scans]) if records else ""
        raise UsageError(
            f"step=cases needs the plan that step=fingerprint makes in output {output.name}: "
            f"{words or 'no job of it was run, or none finished'}"
        )
    plan = read_plan(prepared_folder(settings) / "plan.yaml")
    now = {**shaping_parts(settings, dataset), **made_from(plan=plan.key)}
    if changed := changed_parts(now, content.get("made_from")):
        raise UsageError(
            f"{' and '.join(changed)} changed since the plan was made in output {output.name}; "
            f"delete {output.name}/{FOLDER} and run step=fingerprint again"
        )
    return plan, list(content["cases"])


def finish_plan(
    settings: PreprocessStageSettings, dataset: Dataset, records: Sequence[PartRecord]
) -> int:
    """Plan from what all jobs measured; return the exit code."""
    output, folder = Path(settings.output), prepared_folder(settings)
    withdraw([output / FOLDER / PLAN])
    with case_pool(settings.workers) as pool:
        planned = plan_dataset(
            pool,
            dataset,
            folder,
            overrides=settings.plan,
            split=settings.data,
            seed=settings.seed,
        )
    rejected = len(planned.rejected)
    if planned.plan is None:
        print(f"no scan can be used: {rejected} rejected")
        return CaseError.exit_code
    write_plan(folder / "plan.yaml", planned.plan)
    shaping = {**shaping_parts(settings, dataset), **made_from(plan=planned.plan.key)}
    content = {"made_from": shaping, "cases": [scan.case for scan in planned.scans]}
    write_text(output / FOLDER / PLAN, json.dumps(content, indent=1) + "\n")
    forget_kept(folder)
    print(
        f"planned: {counted(len(planned.scans), 'case')} to make with step=cases, {rejected} "
        f"rejected; {folder / 'plan.yaml'} says how and why"
    )
    return EXIT_SOME_REJECTED if rejected else 0


def finish_cases(
    settings: PreprocessStageSettings, dataset: Dataset, records: Sequence[PartRecord]
) -> int:
    """Write what is made of all cases; return the exit code.

    Raises UsageError where a case that a job made is gone.
    """
    folder = prepared_folder(settings)
    for case in told_of_all(records, DONE, [scan.case for scan in dataset.scans]):
        if stored_key(folder, case) is None:
            (one,) = (one for one in records if case in one.cases)
            raise UsageError(
                f"case {case} was made by {one.part.words}, and is gone from {folder.name}; run "
                f"{one.part.words} again"
            )
    return prepare_cases(dataset, settings)


def _measure_part(settings: PreprocessStageSettings, part: Part, dataset: Dataset) -> int:
    patients = [(scan.case, scan.patient) for scan in dataset.scans]
    mine = part.chosen(patients)

    def work() -> Told:
        scans = [scan for scan in dataset.scans if scan.case in set(mine)]
        with case_pool(settings.workers, num_tasks=len(scans)) as pool:
            bad = measure_and_keep(pool, dataset, scans, prepared_folder(settings), True)
        return {DONE: {case: True for case in mine if case not in bad}, REJECTED: bad}

    return run_part(
        Path(settings.output),
        _record(settings, FINGERPRINT, part, mine, shaping_parts(settings, dataset)),
        [case for case, _ in patients],
        begin=lambda: None,
        work=work,
        finish=None
        if settings.launcher
        else lambda records: finish_plan(settings, dataset, records),
    )


def _make_part(settings: PreprocessStageSettings, part: Part, dataset: Dataset) -> int:
    plan, names = planned_cases(settings, dataset)
    scans = [scan for scan in dataset.scans if scan.case in set(names)]
    patients = [(scan.case, scan.patient) for scan in scans]
    mine, folder = part.chosen(patients), prepared_folder(settings)

    def work() -> Told:
        own = [scan for scan in scans if scan.case in set(mine)]
        with case_pool(settings.workers, num_tasks=len(own)) as pool:
            made, bad = store_cases(own, dataset.labels, plan, folder, pool=pool)
        return {DONE: dict.fromkeys(made, True), REJECTED: bad}

    shaping = {**shaping_parts(settings, dataset), **made_from(plan=plan.key)}
    return run_part(
        Path(settings.output),
        _record(settings, CASES, part, mine, shaping),
        names,
        begin=lambda: withdraw_prepared(folder),
        work=work,
        finish=None
        if settings.launcher
        else lambda records: finish_cases(settings, dataset, records),
    )


def _record(
    settings: PreprocessStageSettings,
    stage: str,
    part: Part,
    cases: tuple[str, ...],
    shaping: Mapping[str, Any],
) -> PartRecord:
    return PartRecord(stage, part, shaping, cases, settings.plain(), os.getcwd())
