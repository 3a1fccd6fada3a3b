"""Pictures of the explanation, drawn by the code they explain: python docs/pictures.py DIR"""

from __future__ import annotations

import csv
import io
import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lesionseg.inference import Detections, link_slices
from lesionseg.models.mask_rcnn.ceiling import ceiling, draw_discs
from lesionseg.models.mask_rcnn.mask_head import MASK_MARGIN_PX
from lesionseg.models.mask_rcnn.mask_losses import mask_probability
from lesionseg.ops import box_iou, masks_to_boxes, paste_masks, roi_align, roi_pool
from lesionseg.ops.boxes import pad_boxes
from lesionseg.ops.masks import mask_targets
from lesionseg.planning.anchor_fit import best_iou, fit_anchors, random_corners
from lesionseg.reporting.plots.style import COLOURS, INK, QUIET, style

LESION, BOX, OTHER = COLOURS[0], COLOURS[1], COLOURS[2]


def imbalance(axes: list[Axes]) -> None:
    """Spheres: their share of the lesions against their share of the voxels, by diameter."""
    diameters = np.random.default_rng(0).lognormal(np.log(4.5), 0.6, 20_000)
    edges = [0, 3, 5, 10, np.inf]
    names = ["under 3", "3 to 5", "5 to 10", "10 and more"]
    volume = diameters**3
    lesions = [np.mean((diameters >= a) & (diameters < b)) for a, b in itertools.pairwise(edges)]
    voxels = [
        volume[(diameters >= a) & (diameters < b)].sum() / volume.sum()
        for a, b in itertools.pairwise(edges)
    ]
    place = np.arange(4)
    axes[0].bar(place - 0.2, np.multiply(lesions, 100), 0.38, color=BOX, label="of the lesions")
    axes[0].bar(place + 0.2, np.multiply(voxels, 100), 0.38, color=LESION, label="of their voxels")
    axes[0].set_xticks(place, names)
    axes[0].set(xlabel="diameter, mm", ylabel="%")
    axes[0].legend()
    sizes = np.array([2, 3, 4, 6, 10, 16])
    area = np.pi / 4 * sizes**2
    axes[1].plot(sizes, area / area[-1], "o-", color=LESION)
    axes[1].set(
        xscale="log",
        yscale="log",
        xlabel="diameter in a slice, px",
        ylabel="cross-entropy for missing it, 16 px = 1",
    )
    axes[1].set_xticks(sizes, sizes)
    axes[1].minorticks_off()


def anchors(axes: list[Axes]) -> None:
    """A 4 px lesion and the best of the stock and of the fitted anchors."""
    rng = np.random.default_rng(0)
    sides = np.full((50, 2), 4.0) + rng.uniform(-1, 1, (50, 2))
    fitted = fit_anchors(np.concatenate([sides, np.full((10, 2), 12.0)]), 2, rng)
    stock = [[(32.0, 32.0, 1)], [(64.0, 64.0, 1)], [(128.0, 128.0, 1)], [(256.0, 256.0, 1)]]
    for ax, levels, title, span, stride in (
        (axes[0], stock, "anchors of photographs", 40, 4),
        (axes[1], fitted, "anchors fitted to the lesions", 12, 2),
    ):
        ax.add_patch(Rectangle((-2, -2), 4, 4, color=LESION, alpha=0.9, lw=0))
        for width, height, _ in levels[0]:
            ax.add_patch(
                Rectangle((-width / 2, -height / 2), width, height, fill=False, ec=BOX, lw=1.3)
            )
        lesion = np.array([[4.0, 4.0]])
        corners = random_corners(1, np.random.default_rng(1))
        iou = float(best_iou(lesion, levels, stride, corners)[0])
        ax.set(xlim=(-span / 2, span / 2), ylim=(-span / 2, span / 2), aspect="equal")
        ax.set_title(f"{title}: best IoU {iou:.2f}")
        ax.set(xlabel="px")


def pooling(axes: list[Axes]) -> None:
    """What RoIPool and RoIAlign read for a 3.4 px box on a level of stride 2."""
    box = torch.tensor([[5.3, 6.1, 8.9, 9.5]])
    cells = (box / 2 + 0.5).floor()
    read = torch.cat([cells[:, :2], cells[:, 2:] + 1], dim=1) * 2
    for ax, title, shown in ((axes[0], "RoIPool: whole cells", read), (axes[1], "RoIAlign", box)):
        for line in range(2, 15, 2):
            ax.axvline(line, color=QUIET, lw=0.5)
            ax.axhline(line, color=QUIET, lw=0.5)
        x1, y1, x2, y2 = box[0].tolist()
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, color=LESION, alpha=0.35, lw=0))
        x1, y1, x2, y2 = shown[0].tolist()
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=BOX, lw=2))
        ax.set(xlim=(2, 14), ylim=(14, 2), aspect="equal")
        ax.grid(visible=False)
        iou = float(box_iou(box, shown)[0, 0])
        ax.set_title(f"{title}: IoU with the box {iou:.2f}")
    places = (np.arange(5) + 0.5) / 5
    x1, y1, x2, y2 = box[0].tolist()
    x, y = np.meshgrid(x1 + places * (x2 - x1), y1 + places * (y2 - y1))
    axes[1].plot(x, y, ".", color=INK, ms=3)
    # the same constant slope read both ways: pooling is off by up to a cell
    slope = torch.arange(8.0).repeat(8, 1)[None, None]
    difference = roi_pool(slope, [box], 1, 0.5) - roi_align(slope, [box], 1, 0.5)
    assert float(difference.abs().max()) > 0.3


def half_pixel(axes: list[Axes]) -> None:
    """The ceiling of a perfect mask by diameter, coded as libraries do and half-pixel exact."""
    sizes = (2, 3, 4, 6, 8, 10, 16)
    for name, coding, colour in (
        ("stock coding", "stock", LESION),
        ("half-pixel exact", "exact", BOX),
    ):
        dice = [ceiling(d, roi_op="align", coding=coding, cells=28, num=60) for d in sizes]
        axes[0].plot(sizes, dice, "o-", color=colour, label=name)
    axes[0].set(xscale="log", ylim=(0, 1.05), xlabel="diameter, px", ylabel="best possible Dice")
    axes[0].set_xticks(sizes, sizes)
    axes[0].minorticks_off()
    axes[0].legend(loc="lower right")
    disc = torch.from_numpy(draw_discs(4, 1, np.random.default_rng(3)))
    box = pad_boxes(masks_to_boxes(disc), MASK_MARGIN_PX)
    mask = mask_targets(disc.float(), box, 28)
    ((rows, columns, values),) = paste_masks(mask, box, disc.shape[1:])
    back = np.zeros(disc.shape[1:])
    back[rows, columns] = values >= 0.5
    window = (slice(rows.start - 1, rows.stop + 1), slice(columns.start - 1, columns.stop + 1))
    axes[1].imshow(disc[0].numpy()[window], cmap="Greys", alpha=0.35)
    fine = np.kron(back[window], np.ones((20, 20)))  # so that the line follows pixel edges
    place = (np.arange(len(fine)) + 0.5) / 20 - 0.5
    axes[1].contour(place, place, fine, [0.5], colors=[BOX], linewidths=2)
    axes[1].set_title("4 px, grey; cut, pasted back: line")
    axes[1].grid(visible=False)
    axes[1].set_xticks([])
    axes[1].set_yticks([])


def competition(axes: list[Axes]) -> None:
    """A cell to which two classes give high logits: the mask of one, by the logit of the other."""
    other = np.linspace(-4, 6, 80)
    for name, colour in (("softmax", LESION), ("sigmoid", BOX)):
        values = []
        for logit in other:
            logits = [0.0, 2.0, logit] if name == "softmax" else [2.0, logit]
            maps = torch.tensor(logits).view(1, -1, 1, 1)
            values.append(float(mask_probability(maps, torch.tensor([1]), name)))
        axes[0].plot(other, values, color=colour, label=name, lw=2)
    axes[0].axhline(0.5, color=QUIET, lw=0.8, ls=":")
    axes[0].set(
        xlabel="logit of the other class, own logit 2", ylabel="mask of the own class", ylim=(0, 1)
    )
    axes[0].legend()
    axes[1].axis("off")
    axes[1].text(
        0,
        0.9,
        "softmax: 1 + K maps share one probability;\nwhere two lesion types overlap, one loses.\n\n"
        "sigmoid: K maps, independent of each other;\nthe class is decided by the box head.",
        va="top",
        fontsize=10,
    )


def instances(axes: list[Axes]) -> None:
    """Two lesions that touch: one component of a mask, two detections."""
    shape = (14, 22)
    rows, columns = np.indices(shape) + 0.5
    first = (rows - 7) ** 2 + (columns - 7) ** 2 <= 16
    second = (rows - 7) ** 2 + (columns - 14) ** 2 <= 14
    axes[0].imshow(first | second, cmap="Greys", alpha=0.45)
    axes[0].set_title("semantic: one component")
    boxes = masks_to_boxes(torch.from_numpy(np.stack([first, second])))
    masks = mask_targets(torch.from_numpy(np.stack([first, second])).float(), boxes, 28)
    found = Detections(boxes, torch.tensor([0.9, 0.8]), torch.tensor([1, 1]), masks)
    ids = link_slices([found], shape, affine=np.eye(4)).lesion_ids[:, :, 0]
    shown = np.ones((*shape, 3))
    for number, colour in ((1, (0.84, 0.37, 0.0)), (2, (0.0, 0.45, 0.7))):
        shown[ids == number] = np.array(colour) * 0.55 + 0.45
    axes[1].imshow(shown)
    for x1, y1, x2, y2 in boxes.tolist():
        axes[1].add_patch(
            Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, ec=INK, lw=1.2)
        )
    axes[1].set_title("detected: two lesions")
    for ax in axes:
        ax.grid(visible=False)
        ax.set_xticks([])
        ax.set_yticks([])


def class_competition(axes: list[Axes]) -> None:
    """Region Dice of all lesions against the number of classes, by loss of the mask head."""
    with (Path(__file__).parent / "results/class_competition.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for ax, masks, title in (
        (axes[0], "per_class", "a mask for each class"),
        (axes[1], "agnostic", "one mask for all classes"),
    ):
        for place, loss in enumerate(("sigmoid", "softmax", "mse")):
            mine = [row for row in rows if row["loss"] == loss]
            own = [row for row in mine if row["masks"] == masks or row["classes"] == "1"]
            shift = 1.04 ** (place - 1)  # so that bars stand beside one another
            ax.errorbar(
                [int(row["classes"]) * shift for row in own],
                [float(row["region_dice"]) for row in own],
                [float(row["region_dice_over_seeds"]) for row in own],
                fmt="o-",
                capsize=3,
                color=COLOURS[place],
                label=loss,
            )
        ax.set(xscale="log", xlabel="lesion classes", ylim=(0, 0.16), title=title)
        ax.set_xticks([1, 2, 4], ["1", "2", "4"])
        ax.minorticks_off()
    axes[0].set_ylabel("region Dice, all classes together")
    axes[1].legend()


DRAWERS: Mapping[str, Callable[[list[Axes]], None]] = {
    "imbalance": imbalance,
    "anchors": anchors,
    "pooling": pooling,
    "half_pixel": half_pixel,
    "competition": competition,
    "instances": instances,
    "class_competition": class_competition,
}


def drawn() -> dict[str, bytes]:
    """Every picture as SVG, by name."""
    return {name: _svg(draw) for name, draw in DRAWERS.items()}


def _svg(draw: Callable[[list[Axes]], None]) -> bytes:
    with style():
        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        draw(list(figure.subplots(1, 2)))
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in drawn().items():
        (folder / f"{name}.svg").write_bytes(content)
