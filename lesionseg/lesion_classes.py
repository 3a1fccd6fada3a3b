"""The lesion classes that a dataset names: what marks each of them in a mask.

Classes exclude one another, or are regions: then a voxel belongs to each region that holds its
value, and regions contain one another or lie apart, a container before what it contains.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lesionseg.settings.defaults import CLASS_WORDS


@dataclass(frozen=True)
class LesionClass:
    """name: for tables. values: of a mask, that mark it. written: the one that marks it in masks
    that lesionseg writes."""

    name: str
    values: tuple[int, ...]
    written: int

    @property
    def words(self) -> str:
        """Name and values, for messages."""
        return f"{self.name} ({', '.join(map(str, self.values))})"


def _twice(values: Sequence[Any]) -> Any:
    return next((value for value in values if values.count(value) > 1), None)


@dataclass(frozen=True)
class LesionClasses:
    """K classes, numbered from 1 in their order; 0 is background.

    regions: whether they contain one another. Raises ValueError, in words for a user, for no class,
    two of one name, a class without a value or with one below 1, classes that share a value,
    regions that cross or come before what contains them, and a written value of another class.
    """

    classes: tuple[LesionClass, ...]
    regions: bool = False

    def __post_init__(self) -> None:
        if not self.classes:
            raise ValueError("no class is named; want at least one")
        if twice := _twice(self.names):
            raise ValueError(f"two classes are named {twice}; want a name of its own for each")
        for name in self.names:
            if not name or not name.isprintable() or name != name.strip() or name in CLASS_WORDS:
                raise ValueError(
                    f"a class is named {name!r}; want a name in one line, none of "
                    f"{', '.join(CLASS_WORDS)}, which mean something else in tables"
                )
        for one in self.classes:
            if not one.values or min(one.values) < 1:
                raise ValueError(f"class {one.words}: want values from 1")
        for number, one in enumerate(self.classes):
            for other in self.classes[:number]:
                self._refuse_crossing(other, one)
        if self.regions and not any(self.inside):
            raise ValueError(
                "regions contain one another, and none of these holds all values of another; give "
                "each region all of its values, like {whole: [1,2,3], core: [1,3]}"
            )
        for number, one in enumerate(self.classes, 1):
            marked = self.class_of_value.get(one.written)
            if marked != number:
                what = f", which marks {self.names[marked - 1]}" if marked else ""
                raise ValueError(
                    f"class {one.words} would be written as {one.written}{what}; want a value that "
                    "marks it alone"
                )

    def _refuse_crossing(self, first: LesionClass, second: LesionClass) -> None:
        before, after = set(first.values), set(second.values)
        if not before & after:
            return
        if not self.regions:
            shared = ", ".join(map(str, sorted(before & after)))
            raise ValueError(
                f"classes {first.words} and {second.words} share {shared}; a value is of one "
                "class, or they are regions that contain one another: then say regions=true"
            )
        if before < after:
            raise ValueError(
                f"region {first.words} comes before {second.words}, which contains it; name the "
                "larger one first"
            )
        if not before > after:
            raise ValueError(
                f"regions {first.words} and {second.words} cross; want one to contain the other, "
                "or no value in both"
            )

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.classes)

    @property
    def values(self) -> frozenset[int]:
        """Every value of every class."""
        return frozenset(value for one in self.classes for value in one.values)

    @property
    def class_of_value(self) -> dict[int, int]:
        """The number of the class that a value marks; of regions, of the innermost."""
        return {value: n for n, one in enumerate(self.classes, 1) for value in one.values}

    @property
    def inside(self) -> tuple[int, ...]:
        """By class, the number of the smallest region around it; 0 where there is none."""
        found = []
        for number, one in enumerate(self.classes):
            around = [n + 1 for n in range(number) if set(self.classes[n].values) > set(one.values)]
            found.append(around[-1] if around else 0)
        return tuple(found)

    def enclosing(self, number: int) -> tuple[int, ...]:
        """Class `number` and all regions around it, from the inside out."""
        chain = []
        while number:
            chain.append(number)
            number = self.inside[number - 1]
        return tuple(chain)

    def within(self, number: int) -> tuple[int, ...]:
        """Class `number` and all regions inside it."""
        return tuple(n for n in range(1, len(self) + 1) if number in self.enclosing(n))

    @property
    def folders(self) -> tuple[str, ...]:
        """A name for a folder of each class's own files."""
        return class_folders(self.names)

    @property
    def as_data(self) -> dict[str, Any]:
        """As it stands in records of JSON and YAML."""
        return {
            "regions": self.regions,
            "classes": [
                {"name": one.name, "values": list(one.values), "written": one.written}
                for one in self.classes
            ],
        }


ONE_CLASS = LesionClasses((LesionClass("lesion", (1,), 1),))


def class_folders(names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes as names of folders, all different on any file system."""
    plain = [re.sub(r"[^\w.-]+", "_", name) for name in names]
    unlike = len({name.lower() for name in plain}) == len(plain)
    return tuple(name if unlike else f"{i}_{name}" for i, name in enumerate(plain, 1))


def classes_from(content: Mapping[str, Any]) -> LesionClasses:
    """Inverse of `as_data`. Raises ValueError as `LesionClasses`, KeyError and TypeError for what
    is no such record."""
    each = tuple(
        LesionClass(str(one["name"]), tuple(map(int, one["values"])), int(one["written"]))
        for one in content["classes"]
    )
    return LesionClasses(each, bool(content["regions"]))


def named_classes(
    values: Mapping[str, Sequence[int]],
    *,
    regions: bool = False,
    written: Sequence[int] | None = None,
) -> LesionClasses:
    """Classes by name, in their order.

    written: by class; by default the class's first value that no region inside it has. Raises
    ValueError as `LesionClasses`.
    """
    every = [tuple(dict.fromkeys(of_class)) for of_class in values.values()]
    if written is None:
        written = []
        for number, own in enumerate(every):
            inner = {value for later in every[number + 1 :] for value in later} if regions else ()
            alone = [value for value in own if value not in inner]
            written.append((alone or own or (0,))[0])
    pairs = zip(values, every, written, strict=True)
    return LesionClasses(tuple(LesionClass(*one) for one in pairs), regions)
