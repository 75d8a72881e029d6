"""The command as a whole: its version, its subcommands, what it says to a wrong one."""

import pytest

from engine.app.compute import describe_compute, describe_recipe_compute
from engine.core.errors import UsageError
from tm import VERSION
from tm.cli import COMMANDS


def test_the_version_is_printed_without_a_subcommand(tm):
    result = tm("--version")
    assert (result.code, result.out.strip(), result.err) == (0, VERSION, "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_subcommands_in_our_order(tm, flag):
    result = tm(flag)
    assert result.code == 0
    places = [result.out.index(f"│ {name} ") for name in COMMANDS]
    assert places == sorted(places)


def test_a_wrong_subcommand_ends_with_2_and_offers_the_nearest(tm):
    result = tm("prp")
    assert result.code == 2
    assert "prep" in result.err


@pytest.mark.parametrize(
    ("argv", "sentence", "runs"),
    [
        (["prep", "align"], "`tm prep align` needs SRC and OUT", "tm prep synth photos"),
        (["bank", "build"], "`tm bank build` needs SRC and OUT", "tm prep synth faces"),
        (["train", "--recipe", "stage1.toml"], "the weights `sam` are not", "`nano/stage1` is"),
        (["oneshot", "--age", "40", "--jitter", "2"], "no finished personal run", "tm prep synth"),
        (["oneshot"], "`tm oneshot` needs --age", "tm prep synth"),
        (["weights", "export"], "`tm weights export` needs RUN and FILE", "tm weights export r"),
    ],
)
def test_a_bare_command_says_what_to_type(tm, tmp_path, monkeypatch, argv, sentence, runs):
    monkeypatch.chdir(tmp_path)
    result = tm(*argv)
    assert result.code in (2, 4)
    error, _, hint = result.err.partition("hint: ")
    assert sentence in error
    assert "`tm " in hint
    assert runs in hint
    assert list(tmp_path.iterdir()) == []
    assert tm(*argv, "--json").json["error"] in error


def test_what_computes_says_on_what_first(tm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = tm("gan", "--va", "0.8,0.3")
    assert result.err.splitlines()[0].startswith("device cpu (")
    assert "float32" in result.err.splitlines()[0]
    assert tm("gan", "--va", "0.8,0.3", "-q").err == ""
    faces = describe_compute(faces=True)
    assert "faces by dlib's HOG and" in faces
    assert describe_compute(faces=True, landmarks="mesh").endswith("HOG and the face mesh")
    for settings in ("detection.landmarks=mesh", "licences=permissive"):
        line = describe_recipe_compute("infer/portrait", ["pasting.on=true", settings])
        assert line.endswith("the face mesh")
    with pytest.raises(UsageError, match="no `mps` device"):
        describe_compute("mps")
