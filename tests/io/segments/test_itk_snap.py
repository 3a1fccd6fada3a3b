"""Label descriptions for ITK-SNAP."""

import itertools
import re

from lesionseg.io.segments.itk_snap import write_label_descriptions
from lesionseg.io.segments.segment import Segment, numbered_colour, shade

# as ITK-SNAP reads a line: index, red, green, blue, opacity, two switches, quoted name
LINE = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([01])\s+([01])\s+"([^"]*)"')


def test_every_lesion_has_a_line_with_its_number_colour_and_name(tmp_path):
    path = tmp_path / "a.label.txt"
    segments = [
        Segment(1, "lesion 1 (0.90)", "lesion", (255, 0, 128), 0.9, 8.0, 2.5),
        Segment(12, 'a "b" 12 (0.40)', 'a "b"', (1, 2, 3), 0.4, 8.0, 2.5),
    ]
    write_label_descriptions(path, segments)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    found = [LINE.fullmatch(line).groups() for line in lines]
    assert found == [
        ("0", "0", "0", "0", "0", "0", "0", "Clear Label"),
        ("1", "255", "0", "128", "1", "1", "1", "lesion 1 (0.90)"),
        ("12", "1", "2", "3", "1", "1", "1", "a 'b' 12 (0.40)"),
    ]


def test_neighbours_have_colours_that_differ():
    colours = [numbered_colour(number) for number in range(1, 400)]
    for one, other in itertools.pairwise(colours):
        assert max(abs(a - b) for a, b in zip(one, other)) > 60
    assert all(0 <= part <= 255 for colour in colours for part in colour)


def test_shades_keep_the_hue_of_their_class():
    for number in range(10):
        red, green, blue = shade((200, 100, 0), number)
        assert red >= 100
        assert abs(red - 2 * green) <= 2
        assert blue == 0
