"""`curves.svg` of a run."""

import json
from xml.etree import ElementTree

from engine.training.curves import draw_curves

SVG = "{http://www.w3.org/2000/svg}"


def test_every_curve_has_a_panel_and_details_have_none(tmp_path):
    rows = [
        {"step": n, "phase": "<a>", "loss/real/x<": 1.0 / n, "loss/real/x</share": 1, "lr/net": 0.1,
         "val/flat": 2, "val/none": None}
        for n in (1, 2, 3)
    ]  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    drawn = draw_curves(tmp_path)
    tree = ElementTree.parse(drawn).getroot()
    titles = [text.text for text in tree.iter(f"{SVG}text") if "within" not in text.text]
    assert [title.partition(":")[0] for title in titles] == ["val/flat", "lr/net", "loss/real/x<"]
    lines = [line.get("points").split() for line in tree.iter(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [3, 3, 3]
    heights = [float(point.split(",")[1]) for point in lines[2]]
    assert heights == sorted(heights)  # it falls


def test_a_run_without_rows_has_no_drawing(tmp_path):
    assert draw_curves(tmp_path) is None
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "phase": "x", "loss/a": 1.0}\n')
    assert draw_curves(tmp_path) is None
