"""The tab that learns a person: what it shows of each photograph, and what it says."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("gradio")

from engine.core.errors import UsageError
from engine.images.saving import save_png
from engine.page import people_tab
from engine.page.age_tab import OWN, AgeTab
from engine.page.album import Album
from engine.page.gate import SESSION
from engine.page.people_tab import PeopleTab
from engine.page.sessions import Sessions

BAD = "<b>bad</b>"


@pytest.fixture
def request_of(tmp_path):
    """What Gradio hands to a function, of a new browser."""
    session = Sessions(tmp_path).open()
    scope = SimpleNamespace(scope={SESSION: session})
    return SimpleNamespace(request=scope, session_hash="page", session=session)


@pytest.fixture
def tab():
    return PeopleTab(SimpleNamespace(prepare="prepare", learn="learn"))


def rows_of(album):
    """Rows as of `tm prep filter`: kept, dropped, and without a face."""
    save_png(album.aligned / "30_1.png", np.zeros((200, 200, 3), np.uint8), {"made": "x"})
    found = {"status": "done", "output": "30_1.png", "reason": None}
    return [
        {**found, "source": "a/30_1.jpg", "age": 30.0, "age_by": "name", "verdict": "keep"},
        {**found, "source": BAD, "age": None, "verdict": "drop", "reasons": ["blurred"]},
        {"status": "failed", "output": None, "source": "x.jpg", "age": None, "reason": BAD},
    ]


def test_faces_are_shown_with_verdict_and_reason(tab, request_of, monkeypatch):
    album = Album.of(request_of.session)
    assert "Drop photographs" in tab.prepare("", request_of, None)[0]
    album.new_photo("30_1.jpg").write_bytes(b"x")
    album.aligned.mkdir()
    asked = {}

    def run(work, arguments, request, progress):
        asked.update(arguments)
        return {"rows": rows_of(album), "warnings": ["few"]}, []

    monkeypatch.setattr(people_tab, "run_long", run)
    shown, learned = tab.prepare(" 1975 ", request_of, None)
    assert asked == {"photos": album.photos, "out": album.aligned, "born": "1975"}
    assert shown.count("data:image/jpeg") == 2
    assert (shown.count("tm-kept"), shown.count("tm-dropped")) == (1, 2)
    for told in ("2 of 3", "30 years", "blurred", "&lt;b&gt;bad", "no face", "1 by name", "few"):
        assert told in shown
    assert BAD not in shown
    assert learned == ""


def test_the_report_is_embedded_and_a_second_training_replaces_the_first(
    tab, request_of, monkeypatch
):
    album = Album.of(request_of.session)
    album.new_photo("30_1.jpg").write_bytes(b"x")
    album.aligned.mkdir()
    album.run.mkdir()

    def run(work, arguments, request, progress):
        if work == "prepare":
            return {"rows": rows_of(album), "warnings": []}, []
        assert not arguments["run"].exists()
        arguments["run"].mkdir()
        (arguments["run"] / "report.html").write_text(f"<h1>{BAD}</h1>")
        return {"report": arguments["run"] / "report.html"}, ["noted"]

    monkeypatch.setattr(people_tab, "run_long", run)
    _, learned = tab.learn("", request_of, None)
    assert "sandbox" in learned
    assert "noted" in learned
    assert BAD not in learned
    for name in ("person.safetensors?save", "report.html?save"):
        assert name in learned


def test_what_fails_is_told_and_nothing_is_forgotten_under_running_work(
    tab, request_of, monkeypatch
):
    album = Album.of(request_of.session)
    album.new_photo("30_1.jpg").write_bytes(b"x")

    def run(*_, **__):
        raise UsageError(f"{BAD} five are needed")

    monkeypatch.setattr(people_tab, "run_long", run)
    assert "&lt;b&gt;bad&lt;/b&gt; five are needed" in tab.learn("", request_of, None)[1]
    assert "five are needed" in tab.prepare("", request_of, None)[0]
    request_of.session.running["page"] = None
    assert "cancel what is running" in tab.clear(request_of)[1]
    request_of.session.running.clear()
    assert "Drop 10 to 80" in tab.clear(request_of)[1]
    assert "Drop 10 to 80" in tab.here(request_of)


def test_the_person_ages_photographs_once_learned_and_no_path_is_a_model(request_of):
    age = AgeTab(None, SimpleNamespace(models=list))
    with pytest.raises(UsageError, match="learn a person first"):
        age._weights(OWN.name, request_of.session)
    model = Album.of(request_of.session).model
    model.parent.mkdir()
    model.write_bytes(b"x")
    assert age._weights(OWN.name, request_of.session) == str(model)
    with pytest.raises(UsageError, match="no model"):
        age._weights(str(model), request_of.session)
