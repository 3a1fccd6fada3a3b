"""A stage removes the files that it wrote earlier, and nobody else's."""

import json

import pytest

from lesionseg.storage.own_files import announce_files, withdraw_files

LIST = "list.json"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "out"
    announce_files(folder, LIST, ["a.csv", "figures/b.png"])
    announce_files(folder, LIST, ["figures/atlas/c.png", "never_written.csv"])
    for name in ("a.csv", "figures/b.png", "figures/atlas/c.png", "figures/mine.png", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_list_is_there_before_the_files_and_grows(folder):
    listed = json.loads((folder / LIST).read_text())["files"]
    assert listed == ["a.csv", "figures/b.png", "figures/atlas/c.png", "never_written.csv"]


def test_own_files_go_and_others_stay(folder):
    withdraw_files(folder, LIST)
    assert files(folder) == ["figures/mine.png", "notes.txt"]
    assert not (folder / "figures" / "atlas").exists()
    withdraw_files(folder, LIST)  # nothing is left to do
    assert files(folder) == ["figures/mine.png", "notes.txt"]


def test_a_list_that_leads_out_of_the_folder_does_no_harm(folder, tmp_path):
    outside = tmp_path / "precious.txt"
    outside.write_text("kept")
    (folder / "link").symlink_to(tmp_path)
    names = ["../precious.txt", str(outside), "link/precious.txt", "", ".", "notes.txt/.."]
    (folder / LIST).write_text(json.dumps({"files": names}))
    withdraw_files(folder, LIST)
    assert outside.read_text() == "kept"
    assert "notes.txt" in files(folder)


@pytest.mark.parametrize("content", ["", "[]", '{"files": 3}', '{"files": [3, null]}', "[" * 99999])
def test_a_garbled_list_names_nothing(folder, content):
    (folder / LIST).write_text(content)
    withdraw_files(folder, LIST)
    assert "a.csv" in files(folder)
