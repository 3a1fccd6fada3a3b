"""The price of missing one lesion: what each loss term charges for it, against its size.

A share of loss or gradient of a trained network measures what error is left. The price does not
depend on how well a lesion is found: it compares the loss with this lesion alone predicted surely
with that of it alone predicted as background, all other outputs being what they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from lesionseg.lesion_classes import ONE_CLASS, LesionClasses
from lesionseg.models.interface import LossTerm, Network
from lesionseg.models.targets import Target
from lesionseg.slabs.slab import SlabRule, Window, plane_axes, read_slab
from lesionseg.structures import Case
from lesionseg.training.loss_owners import term_owners
from lesionseg.training.stream import as_batch

SURE = 4.0  # a logit: 98 %
SIZE_STEPS = 10  # of the logarithm of the diameter, from which lesions are drawn alike
COLUMNS = ["term", "case", "lesion", "class", "diameter_mm", "price"]


def missing_prices(
    network: Network,
    cases: Sequence[Case],
    *,
    slab_rule: SlabRule,
    size: int,
    num_lesions: int,
    seed: int,
    device: torch.device,
    classes: LesionClasses = ONE_CLASS,
) -> pd.DataFrame:
    """What each loss term rises by where one lesion is missed, in a slab of its largest section.

    size: side of the slabs in pixels, as in training. num_lesions: at most, drawn alike from small
    and large. The network runs in evaluation mode and is left as it was.

    Returns one row per term and lesion: term, case, lesion (id), class (its name), diameter_mm (of
    the sphere of its 3D volume), price (in units of the loss; 0 where the term has no element on
    the lesion).
    """
    rows: list[tuple[str, str, int, str, float, float]] = []
    was_training, generator = network.training, Generator().manual_seed(seed)
    network.eval()
    try:
        for case, lesion in _drawn(cases, num_lesions, np.random.default_rng(seed)):
            slab = read_slab(case, *_largest_section(case, lesion, slab_rule, size))
            batch = as_batch([slab]).to(device)
            with torch.no_grad():
                terms = network.loss_terms(batch.images, batch.targets, generator)
                for name, price in lesion_prices(terms, batch.targets, lesion).items():
                    row = case.lesions[lesion]
                    of_class = classes.names[int(row["class"]) - 1]
                    rows.append((name, case.name, lesion, of_class, row["diameter_mm"], price))
    finally:
        network.train(was_training)
    return pd.DataFrame(rows, columns=COLUMNS)


def lesion_prices(
    terms: Mapping[str, LossTerm], targets: Sequence[Target], lesion: int
) -> dict[str, float]:
    """The price of each term for one lesion of the batch, by its 3D id."""
    ids = torch.cat([target.lesion_ids for target in targets])
    return {name: _price(term, targets, ids == lesion) for name, term in terms.items()}


def _price(term: LossTerm, targets: Sequence[Target], own: Tensor) -> float:
    """own: (pieces of the batch,) bool, those of the lesion."""
    mine = _elements(term, targets, own)
    if not mine.any():
        return 0.0
    label = int(torch.cat([target.labels for target in targets])[own][0])
    if term.matches is None and term.kind == "scores":  # a map for each region: the lesion's alone
        number = torch.arange(1, term.output.shape[1] + 1, device=mine.device)
        mine = mine & (number == label)[:, None, None]
    missed = term.again(_as_background(term, mine))
    if term.kind == "codes":  # of a box there is no background: it stays where it was proposed
        assert missed.per_element is not None
        total = missed.per_element.sum()
        part = (missed.per_element * mine).sum()
        return float(missed.value * part / total) if total > 0 else 0.0
    found = term.again(_as_found(term, mine, label))
    return float(missed.value - found.value)


def _elements(term: LossTerm, targets: Sequence[Target], own: Tensor) -> Tensor:
    """Which elements of the term are the lesion's: bool, broadcasting against its output."""
    if term.matches is None:  # pixels, which may lie in several lesions inside one another
        pieces = own.split([len(target.boxes) for target in targets])
        each = [target.masks[piece].any(dim=0) for target, piece in zip(targets, pieces)]
        return torch.stack(each)[:, None]
    of_piece = torch.cat([own, own.new_zeros(1)])  # an owner of -1 is nobody's
    rois = dataclasses.replace(term, drawn=None)  # all cells of a RoI, not the lesion's alone
    return of_piece[term_owners(rois, targets)]


def _as_background(term: LossTerm, mine: Tensor) -> Tensor:
    if term.kind == "codes":
        return torch.where(mine, 0.0, term.output.float())
    if term.kind == "classes":
        return torch.where(mine, _class_logits(term.output, 0), term.output.float())
    return torch.where(mine, -SURE, term.output.float())


def _as_found(term: LossTerm, mine: Tensor, label: int) -> Tensor:
    """As `_as_background`; of a mask, the cells that the lesion covers are lesion. label: of its
    class."""
    output = term.output.float()
    if term.kind == "classes":
        sure = _class_logits(output, label)
        if term.drawn is not None:
            background = _class_logits(output, 0)
            sure = torch.where(term.drawn >= 0.5, sure, background)
        return torch.where(mine, sure, output)
    lesion = torch.full_like(output, SURE)
    if term.drawn is not None:
        lesion = torch.where(term.drawn >= 0.5, lesion, -lesion)
    return torch.where(mine, lesion, output)


def _class_logits(like: Tensor, label: int) -> Tensor:
    """Logits, background first along axis 1, of a pixel that is surely of one class."""
    logits = torch.full_like(like, -SURE / 2, dtype=torch.float32)
    logits[:, label] = SURE / 2
    return logits


def _drawn(
    cases: Sequence[Case], num_lesions: int, rng: np.random.Generator
) -> list[tuple[Case, int]]:
    """Lesions of all cases, at most so many, drawn alike from every step of their sizes."""
    every = [(case, lesion) for case in cases for lesion in case.lesions]
    if len(every) <= num_lesions:
        return every
    logs = np.log([case.lesions[lesion]["diameter_mm"] for case, lesion in every])
    step = np.digitize(logs, np.linspace(logs.min(), logs.max(), SIZE_STEPS + 1)[1:-1])
    rank = np.empty(len(every))  # of a lesion within its step, in random order
    order = rng.permutation(len(every))
    for number in range(SIZE_STEPS):
        members = order[step[order] == number]
        rank[members] = np.arange(len(members))
    chosen = np.lexsort((step, rank))[:num_lesions]
    return [every[n] for n in sorted(chosen)]


def _largest_section(
    case: Case, lesion: int, rule: SlabRule, size: int
) -> tuple[int, SlabRule, Window]:
    """Where `read_slab` finds the lesion: its largest slice, and a window around its middle."""
    number = int(case.kinds.classes[lesion])
    inside = case.kinds.of_class(np.asarray(case.lesion_ids), number) == lesion
    across = plane_axes(case)
    areas = np.count_nonzero(inside, axis=across)
    index = int(np.argmax(areas))
    rows, columns = np.nonzero(np.moveaxis(inside, case.slab_axis, 0)[index])
    row, column = round(float(rows.mean())), round(float(columns.mean()))
    return index, rule, Window(row - size // 2, column - size // 2, size, size)
