"""Runs and reports of the folder that the command line named."""

import json
import os

import numpy as np
import pytest

pytest.importorskip("fastapi")

from engine.core.errors import UsageError
from engine.images.saving import save_png
from engine.page import runs as module
from engine.page.runs import Runs


@pytest.fixture
def root(tmp_path):
    """A run with a journal, a sample and a report, an older report alone, and what is neither."""
    run, old = tmp_path / "runs" / "me", tmp_path / "runs" / "deep" / "old"
    for folder in (run / "samples", run / "checkpoints", old):
        folder.mkdir(parents=True)
    (run / "environment.json").write_text("{}")
    rows = [{"step": n, "phase": "fit", "loss/total": 1.0 / n} for n in (1, 2)]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    save_png(run / "samples" / "step_000002.png", np.zeros((4, 4, 3), np.uint8), {"made": "x"})
    (run / "checkpoints" / "report.html").write_text("no")
    for folder in (run, old):
        (folder / "report.html").write_text(f"<p>&amp; {folder.name}<script>x</script>")
    os.utime(old, (1, 1))
    return tmp_path / "runs"


def test_runs_and_reports_are_found_the_newest_first_and_no_link_is_followed(root, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "report.html").write_text("secret")
    (root / "link").symlink_to(tmp_path / "other")
    assert Runs(root).names() == ["me", "deep/old"]
    for name in ("link", "../other", "", "/etc", "me/checkpoints"):
        with pytest.raises(UsageError, match="gone"):
            Runs(root).show(name)


def test_a_run_is_shown_by_curves_samples_and_report_which_runs_no_script(root):
    shown = Runs(root).show("me")
    assert "data:image/svg+xml;base64," in shown
    assert "samples of step_000002" in shown
    assert "srcdoc=" in shown
    assert '<iframe class="tm-report" sandbox ' in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert "environment.json" in shown, "its damage is told"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda run: (run / "samples" / "step_000009.png").write_bytes(b""), "is empty"),
        (lambda run: (run / "report.html").unlink(), "tm eval"),
        (lambda run: (run / "metrics.jsonl").unlink(), "samples of"),
    ],
)
def test_what_is_missing_or_spoilt_is_told_beside_the_rest(root, spoil, told):
    spoil(root / "me")
    assert told in Runs(root).show("me")


def test_a_report_that_is_too_large_or_leads_elsewhere_is_not_shown(root, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 8)
    assert "open it by itself" in Runs(root).show("deep/old")
    (tmp_path / "secret.html").write_text("secret")
    (root / "deep" / "old" / "report.html").unlink()
    (root / "deep" / "old" / "report.html").symlink_to(tmp_path / "secret.html")
    assert Runs(root).names() == ["me"]
