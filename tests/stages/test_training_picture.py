"""The curves of a training in its model folder."""

from lesionseg.stages.training_picture import CURVES, write_training_picture


def test_the_log_of_a_training_is_drawn_beside_it(tmp_path):
    (tmp_path / "log.csv").write_text("step,seconds,name,value\n20,1.5,dice,0.5\n40,3,dice,0.25\n")
    write_training_picture(tmp_path, "unet")
    assert (tmp_path / CURVES).read_bytes().startswith(b"\x89PNG")


def test_a_log_that_is_absent_or_garbled_is_said_and_ends_no_training(tmp_path, capsys):
    write_training_picture(tmp_path, "unet")
    (tmp_path / "log.csv").write_text("nothing of the kind\n1\n")
    write_training_picture(tmp_path, "unet")
    assert not (tmp_path / CURVES).exists()
    assert capsys.readouterr().err == "unet: log.csv holds nothing that can be drawn\n" * 2
