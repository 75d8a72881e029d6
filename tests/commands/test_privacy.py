"""What an export says of the machine and the people: no folders, no names of homes."""

import pytest

from engine.app.weights import command_without_folders


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("tm train --recipe nano/identity --out /srv/runs/one", "--recipe nano/identity --out one"),
        ("tm train --photos '/home/Ann Lee/me'", "--photos me"),
        ("tm train --photos '../Ann Lee/my photos'", "--photos 'my photos'"),
        ("tm train --set 'identity=\"/home/Ann Lee/id\"'", "--set 'identity=\"id\"'"),
        ('tm train --set x=\'["/a/b c", "d/e"]\'', '--set \'x=["b c", "e"]\''),
        (
            "tm train --recipe my/own.toml --bank ~ann/b.safetensors",
            "own.toml --bank b.safetensors",
        ),
        ("tm train --set seed=3 --set target.age=40±2", "--set seed=3 --set target.age=40±2"),
        (r"tm train --photos 'C:\Users\Ann Lee\me'", "--photos me"),
        ("tm train --photos '/home/Ann Lee", "--photos"),
    ],
)
def test_a_command_keeps_no_folders(command, kept):
    cut = command_without_folders(command)
    assert kept in cut
    assert not [word for word in ("home", "Users", "Ann", "Lee", "ann") if word in cut]


@pytest.mark.parametrize("name", ["missing.pt", "models/mine", "runs/gone", "x.safetensors"])
def test_a_path_that_is_not_there_is_said_to_be_not_there(tm, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    result = tm("infer", "a.png", "--ages", "30", "--weights", name, "--out", "out")
    assert result.code == 2
    assert f"nothing is at `{name}`" in result.err
    assert len(result.err) < 200
