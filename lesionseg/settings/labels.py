"""What the values of masks mean to a report: lesion classes, other tissue, voxels nobody judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from lesionseg.lesion_classes import ONE_CLASS, LesionClass, LesionClasses, named_classes
from lesionseg.settings.record import InBraces, Record, Truth, Whole

BY_NAME = "{core: [1,3], oedema: 2}"
WANTED = f"want a list, like [2], or values by name, like {BY_NAME}"
Value = Annotated[Whole, Field(ge=1)]


def _class_labels(given: object) -> object:
    """Values in a list, or by name. Raises ValueError for anything else."""
    if given is None or _are_values(given):
        return given
    if not isinstance(given, Mapping) or not given:
        raise ValueError(WANTED)
    found = {}
    for name, values in given.items():
        name = str(name)
        several = [values] if isinstance(values, int) else values
        if not name.strip() or not name.isprintable() or not _are_values(several):
            raise ValueError(WANTED)
        if name in found:
            raise ValueError(f"two classes are named {name}; want a name of its own for each")
        found[name] = several
    return found


def _are_values(given: object) -> bool:
    return (
        isinstance(given, Sequence)
        and not isinstance(given, str)
        and len(given) > 0
        and all(isinstance(one, int) and not isinstance(one, bool) and one >= 1 for one in given)
    )


Labels = Annotated[
    tuple[Value, ...] | Annotated[dict[str, tuple[Value, ...]], InBraces(BY_NAME)] | None,
    BeforeValidator(_class_labels),
]


class LabelSettings(Record):
    """The lesion classes of the masks that are scored."""

    labels: Labels = Field(
        default=None,
        examples=[(2,)],
        description="Mask values that are lesion, each a class of its own, or by the name of their "
        "class, in quotes; null: every value but 0, or the classes that the predictions name.",
    )
    regions: Truth = Field(
        default=False,
        description="The classes of `labels` contain one another, the largest first; a voxel of a "
        "value belongs to each that names it.",
    )
    known_labels: tuple[Value, ...] | None = Field(
        default=None,
        min_length=1,
        examples=[(1, 2)],
        description="Mask values that may occur besides 0, where `labels` are given; masks with "
        "others are refused; null: any may, beside one class; beside several none.",
    )
    ignore: tuple[Value, ...] = Field(
        default=(),
        examples=[(4,)],
        description="Reference values of voxels that nobody judged: no lesion, and a prediction "
        "there is no false positive.",
    )
    instances: Truth = Field(
        default=False,
        description="Several values in a mask are lesion ids, whatever they look like; false: a "
        "folder of masks whose values look like classes is refused, unless `labels` are given.",
    )

    @property
    def classes(self) -> LesionClasses:
        """The lesion classes; where no label is given, the one class of every value but 0."""
        if self.labels is None:
            return ONE_CLASS
        if isinstance(self.labels, Mapping):
            return named_classes(self.labels, regions=self.regions)
        if len(self.labels) == 1:
            (value,) = self.labels
            return LesionClasses((LesionClass(ONE_CLASS.names[0], (value,), value),))
        return LesionClasses(tuple(LesionClass(str(v), (v,), v) for v in self.labels))

    @property
    def lesion_values(self) -> tuple[int, ...] | None:
        """The values of all classes, ascending; None: every value but 0."""
        return None if self.labels is None else tuple(sorted(self.classes.values))

    @property
    def known_values(self) -> frozenset[int] | None:
        """The values besides 0 that a mask may hold; None: any."""
        if self.known_labels is None and len(self.classes) == 1:
            return None
        return self.classes.values | {*(self.known_labels or ()), *self.ignore}

    @model_validator(mode="after")
    def _labels_agree(self) -> Any:
        if self.instances and self.labels is not None:
            raise ValueError(
                "instances=true says that mask values are lesion ids, labels that they are "
                "classes; give one"
            )
        if self.regions and not isinstance(self.labels, Mapping):
            raise ValueError("regions=true wants labels by name, like {whole: [1,2], core: [2]}")
        self.classes  # noqa: B018 - raises for classes that cannot be
        values = self.lesion_values or ()
        if both := sorted(set(values) & set(self.ignore)):
            raise ValueError(f"values {both} are in labels and in ignore; give each in one")
        if self.known_labels is None or self.labels is None:
            return self
        if unknown := sorted(set(values) - set(self.known_labels)):
            raise ValueError(f"labels {unknown} are not among known_labels; add them there")
        return self

    @property
    def labels_as_typed(self) -> str:
        """As they stand on a command line: "[1,2]", "{core: [1,3], oedema: [2]}"."""
        if isinstance(self.labels, Mapping):
            each = (f"{name}: [{_joined(values)}]" for name, values in self.labels.items())
            return "{" + ", ".join(each) + "}"
        return "null" if self.labels is None else f"[{_joined(self.labels)}]"


def _joined(values: Sequence[int]) -> str:
    return ",".join(map(str, values))
