"""Names of files and tensors cannot move the cursor, forge lines, or run in a spreadsheet."""

import csv
import io
import json
import os
import shutil

import pytest
from rich.console import Console
from rich.text import Text

from commands._console import HIDDEN, CleanConsole, clean, emit_json, escape
from engine.data.csv_table import csv_text

NAMES = ["esc\x1b]0;owned\x07\x1b[31m", "\x9b31m", "back\x08\x08", "rtl\u202egpj", "a\rb", "\x7f",
         "line\u2028sep", "\udce9"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_that_is_printed_holds_a_control_character(name, terminal):
    file = io.StringIO()
    console = CleanConsole(file=file, force_terminal=terminal, color_system=None, no_color=True)
    console.print(f"[green]3[/] in `{escape(name)}`")
    console.print(Text(name))
    console.print(name, markup=False)
    assert not HIDDEN.search(file.getvalue())
    assert file.getvalue().count("\n") == 3


def test_styles_of_our_own_stay():
    file = io.StringIO()
    CleanConsole(file=file, force_terminal=True, color_system="standard").print("[green]3[/]")
    plain = io.StringIO()
    Console(file=plain, force_terminal=True, color_system="standard").print("[green]3[/]")
    assert file.getvalue() == plain.getvalue()


def test_a_name_stays_on_its_line_and_is_no_markup():
    assert escape("a\nerror: [red]b[/red]") == r"a\nerror: \[red]b\[/red]"
    assert clean("two\nlines\tand a tab ü") == "two\nlines\tand a tab ü"


@pytest.mark.parametrize("name", NAMES)
def test_json_on_the_terminal_holds_none_either(capsys, name):
    emit_json({"name": name})
    text = capsys.readouterr().out
    assert not HIDDEN.search(text)
    assert json.loads(text) == {"name": name}


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-dash.jpg", "'-dash.jpg"),
        (" =x", "' =x"),
        ("\t=x", "'\t=x"),
        ("-1.5", "-1.5"),
        (-1.5, "-1.5"),
        (None, ""),
        ("30_1.jpg", "30_1.jpg"),
        ("a,b\nc", "a,b\nc"),
    ],
)
def test_no_cell_is_a_formula(value, cell):
    (row,) = csv.reader(io.StringIO(csv_text([[value, "x"]]), newline=""))
    assert row == [cell, "x"]


def test_names_of_photos_reach_neither_terminal_nor_table_raw(tm, tmp_path):
    from engine.app.prep import SynthRequest, synth

    synth(SynthRequest(out=tmp_path / "w", people=1, per_person=1, ages="40..40", size=64))
    folder, face = tmp_path / "in", next((tmp_path / "w").rglob("*.png"))
    folder.mkdir()
    for name in ("=1+1.png", "esc\x1b[31m\x07.png", "a\nb.png", "[red]m.png"):
        shutil.copy(face, folder / name)
    (folder / "bad\x1b]0;x\x07.png").touch()
    result = tm("relabel", folder, "--aligned", "--out", tmp_path / "l.json", "-v", "--workers",
                "1", "--experts", "nano-ordinal")  # fmt: skip
    assert result.code == 0
    assert not HIDDEN.search(result.err.replace("\n", " "))
    with (tmp_path / "l_files" / "labels.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1" in cells
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "@")]


def test_without_a_reader_of_messages_the_work_goes_on():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as file:
        console = CleanConsole(stderr=True, file=file)
        console.print("step 1")
        console.print("step 2")
        assert console.quiet
