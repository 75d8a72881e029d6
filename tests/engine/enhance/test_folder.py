"""Batches: sidecars, manifest, resuming, the audit."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from engine.core.digest import file_sha256
from engine.core.errors import InputError, UsageError
from engine.core.progress import Silence
from engine.data.manifest import read_manifest
from engine.enhance.album import Album
from engine.enhance.audit import audit_folder
from engine.enhance.folder import enhance_folder
from engine.enhance.guard import GuardLimits
from engine.enhance.plan import EnhancePlan, pictures_of
from engine.enhance.recipe import EnhanceRecipe
from engine.images.saving import provenance_of
from engine.runtime.device import choose
from tests.engine.enhance.conftest import Fixed

SIDECAR = {
    "schema", "source", "subject_id", "age_true", "age_group", "steps", "output", "metrics",
    "tool_version", "created", "seed",
}  # fmt: skip
STEP = {
    "name", "model", "weights_sha256", "params", "in_size", "out_size", "device", "dtype",
    "seconds",
}  # fmt: skip


@pytest.fixture
def plan(tmp_path, album, compact_file, face_file):
    recipe = EnhanceRecipe(
        name="test",
        steps=[
            {"kind": "esrgan", "weights": str(compact_file)},
            {"kind": "gfpgan", "weights": str(face_file)},
        ],
        album=Album(subject="folder", test=0.5, seed=3),
    )
    return EnhancePlan.of(recipe, album, tmp_path / "out", choose("cpu"), partial(Fixed))


def changed(plan, **settings):
    """The plan with other settings in its recipe."""
    recipe = plan.recipe.model_copy(update=settings)
    return EnhancePlan.of(recipe, plan.source, plan.out, choose("cpu"), plan.evaluators)


def run(plan, **more):
    return enhance_folder(plan, Silence(), **more)


def sidecar(plan, name):
    return json.loads((plan.out / f"{name}.json").read_text("utf-8"))


def kinds(plan, **more):
    return sorted(finding.kind for finding in audit_folder(plan, Silence(), **more).findings)


def test_a_folder_becomes_pictures_with_sidecars(plan):
    report = run(plan)
    assert (report.count("done"), report.count("failed"), report.kept) == (3, 1, 0)
    content = sidecar(plan, "ann/20_1")
    assert set(content) >= SIDECAR
    assert all(set(step) >= STEP for step in content["steps"])
    assert content["source"]["relpath"] == "ann/20_1.png"
    assert content["source"]["sha256"] == file_sha256(plan.source / "ann" / "20_1.png")
    assert content["output"]["sha256"] == file_sha256(plan.out / "ann" / "20_1.png")
    assert (content["output"]["width"], content["source"]["width"]) == (384, 192)
    assert (content["subject_id"], content["age_true"], content["age_group"]) == ("ann", 20.0, 5)
    assert {"identity", "age_shift", "mean_abs_dL", "chroma_before", "chroma_after",
            "laplacian_var_before", "laplacian_var_after",
            "lpips"} <= set(content["metrics"])  # fmt: skip
    assert content["metrics"]["lpips"] is None
    assert "lpips-alex" in content["metrics"]["why_null"]["lpips"]
    made = provenance_of(plan.out / "ann" / "20_1.png")
    assert made is not None
    assert (made["made"], made["synthetic"]) == ("enhanced", True)
    assert [step["name"] for step in made["steps"]] == ["esrgan", "gfpgan"]
    rows = {row.source: row for row in read_manifest(plan.out)}
    assert len(rows) == 4
    failed = next(row for row in rows.values() if row.status == "failed")
    assert failed.source is not None
    assert failed.source.endswith("broken.png")
    assert failed.reason


def test_names_of_any_script_survive(plan):
    run(plan)
    assert (plan.out / "Жан" / "35_1.png").is_file()
    assert sidecar(plan, "Жан/35_1")["subject_id"] == "Жан"


def test_all_pictures_of_a_subject_are_on_one_side(plan):
    album = Album(subject="folder", test=0.3, seed=1)
    sides = {album.side(f"person {n}") for n in range(40)}
    assert sides == {"train", "test"}
    share = np.mean([album.side(f"person {n}") == "test" for n in range(2000)])
    assert abs(share - 0.3) < 0.04
    run(plan)
    rows = [row for row in read_manifest(plan.out) if row.person == "ann"]
    assert len(rows) == 2
    assert len({row.split for row in rows}) == 1


def test_subjects_and_ages_are_read_off_names():
    album = Album(subject=r"(?P<subject>s\d+)_(?P<age>\d+)")
    from pathlib import Path

    assert album.place(Path("x/s012_34_a.jpg"))[:3] == ("s012", 34.0, 6)
    assert album.place(Path("x/other.jpg")) == (None, None, None, None)
    with pytest.raises(ValueError, match="needs a group"):
        Album(subject=r"\d+")
    with pytest.raises(ValueError, match="is no regular expression"):
        Album(subject=r"(")


def test_a_second_run_does_nothing_and_a_changed_source_is_done_again(plan):
    run(plan)
    before = (plan.out / "ann" / "20_1.png").stat().st_mtime_ns
    again = run(plan)
    assert (again.kept, again.count("done")) == (3, 0)
    assert (plan.out / "ann" / "20_1.png").stat().st_mtime_ns == before
    with Image.open(plan.source / "ann" / "21_2.jpg") as photo:
        photo.rotate(2).save(plan.source / "ann" / "21_2.jpg")
    assert run(plan).count("done") == 1
    other = changed(plan, force=True)
    assert run(other).count("done") == 3


def test_a_killed_batch_goes_on_where_it_was(plan, monkeypatch):
    from engine.enhance import folder

    honest, count = folder.work_one, []

    def dies(*given, **more):
        count.append(1)
        if len(count) == 3:
            raise KeyboardInterrupt
        return honest(*given, **more)

    monkeypatch.setattr(folder, "work_one", dies)
    with pytest.raises(KeyboardInterrupt):
        run(plan)
    done = len([row for row in read_manifest(plan.out) if row.status == "done"])
    monkeypatch.setattr(folder, "work_one", honest)
    again = run(plan)
    assert 0 < done < 3
    assert (again.kept, again.count("done")) == (done, 3 - done)
    assert kinds(plan) == []


@pytest.mark.slow
def test_processes_make_the_same_files_as_one(plan, monkeypatch):
    run(plan)
    other = replace(plan, out=plan.out.with_name("out2"))
    monkeypatch.setattr("engine.enhance.folder.WORTH_PROCESSES", 2)
    report = run(other, workers=2)
    assert report.count("done") == 3
    for name in ("ann/20_1.png", "ann/21_2.png", "Жан/35_1.png"):
        assert (plan.out / name).read_bytes() == (other.out / name).read_bytes()


def test_raw_data_stays_untouched(plan, tmp_path):
    before = {path: file_sha256(path) for path in plan.source.rglob("*") if path.is_file()}
    run(plan)
    assert before == {p: file_sha256(p) for p in plan.source.rglob("*") if p.is_file()}
    with pytest.raises(UsageError, match="may not lie in"):
        pictures_of(replace(plan, out=plan.source))
    raw = changed(plan, album=Album(raw=True))
    for out in (plan.source / "better", plan.source.parent):
        with pytest.raises(UsageError, match="is raw data"):
            pictures_of(replace(raw, out=out))
    with pytest.raises(InputError, match="nothing to enhance"):
        (tmp_path / "empty").mkdir()
        pictures_of(replace(plan, source=tmp_path / "empty"))


def test_results_are_shrunk_to_the_requested_side(plan):
    run(changed(plan, side=100))
    with Image.open(plan.out / "ann" / "20_1.png") as made:
        assert made.size == (100, 100)


def test_a_picture_that_would_be_too_large_is_left_out(plan):
    report = run(changed(plan, max_output_megapixels=0.1))
    assert report.count("done") == 0
    assert any("over the limit" in str(row["reason"]) for row in report.rows)


def test_what_is_not_the_person_any_more_is_marked(plan):
    guarded = replace(plan, evaluators=partial(Fixed, cosine=0.2))
    run(changed(guarded, guard=GuardLimits(on=False)))
    content = sidecar(plan, "ann/20_1")
    assert content["verdict"] == "drop"
    assert content["reasons"] == ["identity 0.20 to its source"]


def test_an_untouched_folder_passes_the_audit(plan):
    run(plan)
    audit = audit_folder(plan, Silence())
    assert audit.findings == ()
    assert audit.pictures == 3
    assert audit.repeated is not None


def test_the_audit_finds_a_flipped_byte(plan):
    run(plan)
    path = plan.out / "ann" / "20_1.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert kinds(plan) == ["changed output"]


def test_the_audit_finds_sources_that_are_gone_or_changed(plan):
    run(plan)
    (plan.source / "ann" / "20_1.png").unlink()
    (plan.source / "ann" / "21_2.jpg").write_bytes(b"other")
    assert kinds(plan) == ["changed source", "missing source"]


def test_the_audit_finds_a_changed_parameter(plan):
    run(plan)
    path = plan.out / "ann" / "20_1.json"
    content = json.loads(path.read_text("utf-8"))
    content["steps"][0]["params"]["strength"] = 0.5
    path.write_text(json.dumps(content), "utf-8")
    assert kinds(plan) == ["changed sidecar"]


def test_the_audit_finds_stale_results(plan):
    run(plan)
    first, second = plan.recipe.steps
    weaker = changed(plan, steps=(first.model_copy(update={"strength": 0.5}), second))
    assert kinds(weaker) == ["stale"] * 3


def test_the_audit_finds_orphans(plan):
    run(plan)
    (plan.out / "ann" / "99_9.json").write_text("{}")
    Image.new("RGB", (8, 8)).save(plan.out / "new.png")
    assert kinds(plan) == ["orphan", "orphan"]
    (plan.out / "ann" / "20_1.png").unlink()
    assert kinds(plan) == ["missing output", "orphan", "orphan"]


def test_the_audit_finds_what_cannot_be_made_again(plan, compact_file):
    """A wrong setting in all files: only making the picture again detects it."""
    run(plan)
    first, second = plan.recipe.steps
    other = (first.model_copy(update={"strength": 0.3}), second)
    wrong = replace(plan, recipe=plan.recipe.model_copy(update={"steps": other}))
    assert kinds(wrong) == ["not reproduced"]


def test_only_results_can_be_audited(plan, tmp_path):
    with pytest.raises(InputError, match="has no manifest"):
        audit_folder(replace(plan, out=tmp_path), Silence())
