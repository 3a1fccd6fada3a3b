"""Scripts for shells, tried in the shell itself where it is installed."""

import shutil
import subprocess

import pytest

from lesionseg import cli
from lesionseg.composing.completion import SHELLS, completion_script, stage_words

TRY = """
source /dev/stdin <<'SCRIPT'
{script}
SCRIPT
COMP_WORDS=({words}) COMP_CWORD={at}
_lesionseg
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(*words, cwd=None):
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = completion_script("bash", cli.STAGES)
    code = TRY.format(script=script, words=quoted, at=len(words) - 1)
    done = subprocess.run(
        ["bash", "--norc", "-c", code], capture_output=True, text=True, check=True, cwd=cwd
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
class TestBash:
    def test_stages_are_completed(self):
        assert completed("lesionseg", "pre") == ["preprocess", "predict"]
        assert {*cli.STAGES, "help", "completion"} == set(completed("lesionseg", ""))

    def test_keys_are_those_of_the_stage(self):
        assert completed("lesionseg", "predict", "score") == ["score_threshold="]
        assert completed("lesionseg", "report", "score") == []
        assert completed("lesionseg", "train", "train.min") == ["train.minutes="]

    def test_options_of_a_group_are_completed(self):
        assert completed("lesionseg", "run", "data", "=", "nn") == ["nnunet"]
        assert "nnunet" in completed("lesionseg", "run", "data", "=")

    def test_a_value_is_a_file(self, tmp_path):
        (tmp_path / "scans").mkdir()
        assert completed("lesionseg", "predict", "input", "=", "sc", cwd=tmp_path) == ["scans"]
        assert completed("lesionseg", "predict", "input", "=", cwd=tmp_path) == ["scans"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_stage_and_key_and_can_be_read_by_its_shell(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for stage in cli.STAGES:
        words = stage_words(stage)
        assert words
        assert " ".join(words) in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["completion"], "no completion for ''; want bash, zsh, fish"),
        (["completion", "bsh"], "did you mean 'bash'?"),
        (["help", "trian"], "no stage 'trian'; did you mean 'train'?"),
    ],
)
def test_what_is_no_shell_or_stage_is_one_line_and_exit_2(words, said, capsys):
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_help_of_a_stage_is_what_its_own_help_is(capsys):
    assert cli.main(["predict", "--help"]) == 0
    own = capsys.readouterr().out
    assert cli.main(["help", "predict"]) == 0
    assert capsys.readouterr().out == own
    assert "formats" in own
