"""What a folder, or several, hold as one model: a network, or an ensemble with its members inside.

An ensemble's folder has ensemble.json, which names the members and their hashes and is written
last, and a model folder `member_N` for each.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from lesionseg import __version__
from lesionseg.errors import UsageError
from lesionseg.inference.ensemble import Ensemble, Model, ensemble_of
from lesionseg.inference.model_store import LoadedModel, load_network
from lesionseg.settings.messages import checked
from lesionseg.settings.record import Record, Text
from lesionseg.storage.atomic import replacing
from lesionseg.storage.hashes import sha256_of_file
from lesionseg.storage.json_file import read_json, write_json
from lesionseg.storage.provenance import withdraw

FORMAT: Literal[1] = 1
NAME = "ensemble.json"
FILES = ("model.json", "weights.safetensors")  # of a member; the first names the other's hash
MEMBER = re.compile(r"member_\d+")


class StoredMember(Record):
    """One of the models inside."""

    folder: Annotated[str, Field(pattern=r"^member_\d{1,4}$")] = Field(description="Its folder.")
    model_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(
        description="Hash of its model.json, which holds that of its weights."
    )


class EnsembleRecord(Record):
    """ensemble.json."""

    format: Literal[1] = Field(description="Format of the folder.")
    lesionseg: str = Field(description="Version that wrote it.")
    name: Text = Field(description="Name of the network that all members are.")
    members: Annotated[tuple[StoredMember, ...], Field(min_length=2)] = Field(
        description="The models."
    )


def load_model(
    folder: Path | str | Sequence[Path | str],
    device: torch.device | str = "auto",
    *,
    threads: int | str = "auto",
) -> Model:
    """Open a model folder, or several as one ensemble. Nothing in it is executed: weights are
    tensors, settings plain data.

    folder: like RUN/models/maskrcnn, with model.json and weights.safetensors, or with ensemble.json
    and its members; or a list of folders of one network each, whose answers are joined. device:
    `auto`, `cpu`, `cuda`, `cuda:0`, `mps`, or torch's own. threads: how many compute on the CPU, or
    `auto`, which measures.

    Raises UsageError where a file is absent, damaged, or does not fit, for members that do not fit
    together or are the same folder, and for a device that is not there.

    >>> import lesionseg
    >>> model = lesionseg.load_model(RUN / "models" / "maskrcnn", device="cpu")
    >>> model.name, [channel.name for channel in model.plan.channels]
    ('maskrcnn', ['FLAIR', 'T1'])
    """
    if isinstance(folder, (str, Path)):
        if (Path(folder) / NAME).exists():
            return _load_ensemble(Path(folder).resolve(), device, threads)
        return load_network(folder, device, threads=threads)
    given = [Path(one) for one in folder]
    if not given:
        raise UsageError("no model; give a model folder, or several as [A,B]")
    _refuse_twice(given)
    members = [_load_member(one, str(one), device, threads) for one in given]
    return _as_one({str(one): model for one, model in zip(given, members)})


def save_ensemble(folder: Path | str, members: Sequence[Path | str]) -> None:
    """Make `folder` one model of several: their files are copied into it, ensemble.json comes last.

    members: two model folders or more. One that is there as it would be made is kept; anything else
    of the kind is removed first, a single network's model.json too. Raises UsageError where the
    members do not fit together or lie in `folder`, OutputError where they cannot be written.
    """
    folder, sources = Path(folder), [Path(one) for one in members]
    _refuse_twice(sources)
    if len(sources) < 2:
        raise UsageError(f"an ensemble of {len(sources)} model; want two or more")
    if any(one.resolve().is_relative_to(folder.resolve()) for one in sources):
        raise UsageError(f"{folder.name} is or holds one of the members; give another folder")
    name = ensemble_of({str(one): _load_member(one, str(one), "cpu", 1) for one in sources}).name
    stored = [
        StoredMember(folder=f"member_{n}", model_sha256=sha256_of_file(one / FILES[0]))
        for n, one in enumerate(sources)
    ]
    record = EnsembleRecord(format=FORMAT, lesionseg=__version__, name=name, members=tuple(stored))
    if _is_whole(folder, record):
        return
    withdraw_ensemble(folder)
    withdraw(folder / file for file in FILES)
    for source, member in zip(sources, stored):
        for file in reversed(FILES):
            with replacing(folder / member.folder / file) as partial:
                shutil.copyfile(source / file, partial)
    write_json(folder / NAME, record.plain())


def withdraw_ensemble(folder: Path) -> None:
    """Remove an ensemble, ensemble.json first; nothing where there is none. Raises OutputError."""
    withdraw([folder / NAME])
    for below in sorted(folder.glob("member_*")):
        if MEMBER.fullmatch(below.name) and not below.is_symlink():
            withdraw(below / file for file in FILES)
            with contextlib.suppress(OSError):  # it holds somebody else's files
                below.rmdir()


def _load_ensemble(folder: Path, device: torch.device | str, threads: int | str) -> Ensemble:
    try:
        if (folder / FILES[0]).exists():
            raise UsageError(f"it has both {FILES[0]} and {NAME}; remove one")
        record = _read(folder / NAME)
        members: dict[str, LoadedModel] = {}
        for one in record.members:
            below = folder / one.folder
            if not (below / FILES[0]).is_file():
                raise UsageError(f"its {one.folder} is missing; copy the folder whole")
            if sha256_of_file(below / FILES[0]) != one.model_sha256:
                raise UsageError(
                    f"the {FILES[0]} of {one.folder} is not the one that {NAME} names; copy the "
                    "folder whole"
                )
            members[one.folder] = _load_member(below, one.folder, device, threads)
        joined = ensemble_of(members)
        if joined.name != record.name:
            raise UsageError(f"{NAME} says {record.name}, its members are {joined.name}")
        return joined
    except (UsageError, OSError, ValueError) as error:
        problem = " ".join(str(error).split())[:300]
        raise UsageError(f"{folder.name} is not an ensemble: {problem}") from error


def _load_member(
    folder: Path, name: str, device: torch.device | str, threads: int | str
) -> LoadedModel:
    """name: what messages call it. Raises UsageError for an ensemble: they do not nest."""
    if (folder / NAME).exists():
        raise UsageError(
            f"{name} is an ensemble, and an ensemble is no member of another; give its member_N"
        )
    return load_network(folder, device, threads=threads)


def _read(path: Path) -> EnsembleRecord:
    content = read_json(path)
    found = content.get("format", FORMAT) if isinstance(content, dict) else FORMAT
    if found != FORMAT:
        raise UsageError(f"{path.name} has format {found!r}, this version reads {FORMAT}")
    record = checked(EnsembleRecord, content, path.name)
    folders = [one.folder for one in record.members]
    if twice := [one for one in folders if folders.count(one) > 1]:
        raise UsageError(f"{path.name} names {twice[0]} twice")
    return record


def _is_whole(folder: Path, record: EnsembleRecord) -> bool:
    """Whether the very same ensemble is there, with its weights."""
    try:
        if (folder / FILES[0]).exists() or _read(folder / NAME).members != record.members:
            return False
        _load_ensemble(folder, "cpu", 1)
    except (UsageError, OSError, ValueError):
        return False
    return True


def _refuse_twice(folders: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for one in folders:
        if one.resolve() in seen:
            raise UsageError(
                f"{one} is given twice, which would count one model twice; give it once"
            )
        seen.add(one.resolve())


def _as_one(members: dict[str, LoadedModel]) -> Model:
    """The model itself where there is one alone."""
    return ensemble_of(members) if len(members) > 1 else next(iter(members.values()))
