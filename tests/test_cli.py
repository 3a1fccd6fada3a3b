import os
import subprocess
import sys

import pytest

from lesionseg import __version__, cli


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("words", ["--help", "--version", "run', '--help"])
def test_help_answers_before_torch_is_loaded(words):
    done = run_python(
        f"import sys; from lesionseg import cli; code = cli.main(['{words}']); "
        "assert code == 0, code; assert 'torch' not in sys.modules and 'hydra' not in sys.modules"
    )
    assert done.stdout.strip()


def test_version_is_the_package_s(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"lesionseg {__version__}"


def test_help_lists_every_stage_and_exit_code(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for stage in cli.STAGES:
        assert f"  {stage}" in text
    for code in ("0 all ok", "2 usage", "3 no valid input", "4 all", "5 some", "6 output", "75"):
        assert code in text


@pytest.mark.parametrize("stage", sorted(cli.STAGES))
def test_every_stage_has_help_that_shows_its_keys(stage, capsys):
    assert cli.main([stage, "--help"]) == 0
    assert "output" in capsys.readouterr().out


def test_nothing_to_do_is_a_usage_error(capsys):
    assert cli.main([]) == 2
    assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "no stage 'trian'; did you mean 'train'?"),
        (["train", "output=x", "train.minuts=3"], "did you mean 'train.minutes'?"),
        (["run", "output=x", "network.unet.chanels=[8]"], "did you mean 'network.unet.channels'?"),
        (["train"], "needs output=..."),
        (["report", "output=x"], "needs reference=..."),
        (["train", "output"], "got 'output'; want key=value"),
        (["train", "output=x", "+train.speed=3"], "got '+train.speed=3'; want key=value"),
        (["train", "output=x", "~seed=0"], "got '~seed=0'; want key=value"),
        (["train", "output=x", "network=foo"], "network cannot be set as a whole"),
        (["train", "output=x", "train=foo"], "Could not find 'train/foo'"),
        (["train", "output=x", "seed=[1"], "train: "),
        (["run", "output=x", "data=nothing"], "nothing"),
        (["run", "output=x", "data=nnunet"], "needs data.root=..."),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_line_and_exit_2(words, said, capsys):
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_names_below_predictions_are_the_user_s_own():
    config = cli.compose("report", ["reference=a", "output=b", "predictions.mine=c"])
    assert dict(config.predictions) == {"mine": "c"}


def test_the_demo_is_a_run_with_a_budget():
    config = cli.compose("demo", [])
    assert config.train.minutes > 0
    assert config.data.card == "phantom"
    assert list(config.models) == ["unet", "maskrcnn"]


def test_a_full_disk_is_exit_6(monkeypatch, capsys):
    import errno

    def full(words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cli, "_dispatch", full)
    assert cli.main(["run"]) == 6
    assert "No space left" in capsys.readouterr().err


def test_what_may_not_be_read_is_exit_3_and_named_without_its_folder(monkeypatch, capsys):
    def forbidden(words):
        raise PermissionError(13, "Permission denied", "/home/doe/scans")

    monkeypatch.setattr(cli, "_dispatch", forbidden)
    assert cli.main(["check"]) == 3
    said = capsys.readouterr().err
    assert "scans cannot be opened: permission denied" in said
    assert "doe" not in said


def test_a_bug_shows_its_traceback_and_is_exit_1(monkeypatch, capsys):
    def broken(words):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "_dispatch", broken)
    assert cli.main(["run"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="pipes of another kind")
@pytest.mark.parametrize("words", [["--help"], ["report", "--help"], ["repord"]])
def test_a_reader_that_closes_its_end_is_no_traceback(words):
    """As `lesionseg ... | head` does: both streams go into a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    code = f"import sys; from lesionseg import cli; sys.exit(cli.main({words}))"
    command = [sys.executable, "-c", code]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    keep = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=buffered)
    both = subprocess.run(command, stdout=write, stderr=write, env=buffered)
    os.close(write)
    assert "Traceback" not in keep.stderr
    assert "BrokenPipe" not in keep.stderr
    assert keep.returncode == (2 if words == ["repord"] else 141)
    assert both.returncode == 141


@pytest.mark.parametrize("problem", [KeyError("getpwuid(): uid not found: 12345"), OSError()])
def test_a_user_id_without_a_name_gets_one(monkeypatch, problem):
    monkeypatch.setenv("LOGNAME", "")  # so that it is put back

    def nameless():
        raise problem

    monkeypatch.setattr(cli.getpass, "getuser", nameless)
    cli.prepare_libraries()
    assert os.environ["LOGNAME"] == "lesionseg"


def test_a_user_s_name_stays(monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    cli.prepare_libraries()
    assert os.environ["LOGNAME"] == "ada"
