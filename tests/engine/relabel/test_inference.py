"""Predictions in a ledger are the same however often a run was interrupted."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from engine.app.relabel import RelabelRequest, plan_relabel
from engine.core.errors import WeightsError
from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, rendered
from engine.experts.base import AgePrediction
from engine.experts.kinds.mivolo import MiVoloTable
from engine.experts.kinds.nano_age import NanoAgeTable
from engine.images.saving import save_png
from engine.relabel.faces import FaceReading, are_aligned
from engine.relabel.inference import Ensemble, PredictionRequest, predict, predictions_of
from engine.relabel.source import Job, jobs_of, read_reference_labels

CPU = torch.device("cpu")


class Brightness:
    """An expert whose age is the mean brightness, and depends on the batch size."""

    digest = "bright"

    def __init__(self, stop_after=None):
        self.batches, self.threads, self.stop_after = [], [], stop_after

    def predict(self, faces):
        if self.stop_after is not None and len(self.batches) >= self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(len(faces))
        self.threads.append(torch.get_num_threads())
        years = (faces.at(16).mean(dim=(1, 2, 3)) + 1) * 50 + len(faces) / 1000
        return AgePrediction(years, torch.full_like(years, 3), torch.full_like(years, 0.5))


class Meeting(Brightness):
    """An expert that waits until as many batches are predicted in parallel."""

    def __init__(self, parties):
        super().__init__()
        self.barrier, self.met = threading.Barrier(parties, timeout=30), False

    def predict(self, faces):
        if not self.met:
            self.barrier.wait()
            self.met = True
        return super().predict(faces)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "faces"
    draw = np.random.default_rng(0)
    for number in range(7):
        level = draw.integers(0, 256)
        save_png(place / f"{number:05d}.png", np.full((20, 20, 3), level, np.uint8), {})
    return place


def request_of(expert, domain="photos", parallel=1, batch=3):
    table = MiVoloTable()
    ensemble = Ensemble({"mivolo": expert}, {"mivolo": table}, {}, {"mivolo": table})
    return PredictionRequest(ensemble, domain, FaceReading(), True, batch, 1, parallel)


def test_an_interrupted_run_resumes_to_the_same_ledger(folder, tmp_path):
    jobs, whole, cut = jobs_of(folder), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    predict(jobs, request_of(Brightness()), whole, Silence())
    with pytest.raises(KeyboardInterrupt):
        predict(jobs, request_of(Brightness(stop_after=1)), cut, Silence())
    assert 0 < len(cut.read_text().splitlines()) < 7
    again = Brightness()
    predict(jobs, request_of(again), cut, Silence())
    assert again.batches == [3, 1]
    assert cut.read_bytes() == whole.read_bytes()


def test_parallel_batches_make_the_same_ledger(folder, tmp_path):
    jobs, whole, split = jobs_of(folder), tmp_path / "whole.jsonl", tmp_path / "split.jsonl"
    predict(jobs, request_of(Brightness(), batch=1), whole, Silence())
    expert = Meeting(2)
    predict(jobs, request_of(expert, parallel=2, batch=1), split, Silence())
    assert expert.met
    assert split.read_bytes() == whole.read_bytes()


def test_parallel_batches_share_the_cores_and_restore_the_thread_count(folder, tmp_path):
    threads, expert = torch.get_num_threads(), Brightness()
    torch.set_num_threads(6)
    try:
        predict(jobs_of(folder), request_of(expert, parallel=2), tmp_path / "v.jsonl", Silence())
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(torch.get_num_threads).result()
    finally:
        torch.set_num_threads(threads)
    assert set(expert.threads) == {3}
    assert later == 6


def test_only_small_experts_predict_batches_in_parallel(folder, tmp_path):
    request = RelabelRequest(
        source=folder, out=tmp_path / "l.json", experts=["nano-age"], aligned=True, workers=3,
        device="cpu",
    )  # fmt: skip
    assert plan_relabel(request).inference.inference_workers == 3
    assert not request_of(Brightness()).ensemble.small


def test_an_interrupted_parallel_run_resumes_to_the_same_ledger(folder, tmp_path):
    jobs, whole, cut = jobs_of(folder), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    predict(jobs, request_of(Brightness(), batch=1), whole, Silence())
    with pytest.raises(KeyboardInterrupt):
        predict(jobs, request_of(Brightness(stop_after=4), parallel=2, batch=1), cut, Silence())
    assert 0 < len(cut.read_text().splitlines()) < 7
    predict(jobs, request_of(Brightness(), parallel=2, batch=1), cut, Silence())
    assert cut.read_bytes() == whole.read_bytes()


def test_an_incomplete_chunk_is_predicted_again_as_a_whole(folder, tmp_path):
    jobs, whole, cut = jobs_of(folder), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    predict(jobs, request_of(Brightness()), whole, Silence())
    cut.write_text("".join(whole.read_text().splitlines(keepends=True)[:4]), encoding="utf-8")
    again = Brightness()
    predict(jobs, request_of(again), cut, Silence())
    assert again.batches == [3, 1]
    assert cut.read_bytes() == whole.read_bytes()


def test_a_second_run_predicts_changed_pictures_only(folder, tmp_path):
    jobs, path = jobs_of(folder), tmp_path / "predictions.jsonl"
    predict(jobs, request_of(Brightness()), path, Silence())
    again = Brightness()
    predict(jobs, request_of(again), path, Silence())
    assert again.batches == []
    save_png(folder / "00006.png", np.full((20, 20, 3), 250, np.uint8), {})
    rows = predict(jobs, request_of(again), path, Silence())
    assert again.batches == [1]
    assert rows["00006"]["predictions"]["mivolo"][0] == pytest.approx(98.04, abs=0.1)


def test_other_weights_predict_again(folder, tmp_path):
    jobs, path = jobs_of(folder), tmp_path / "predictions.jsonl"
    predict(jobs, request_of(Brightness()), path, Silence())
    other = Brightness()
    other.digest = "another"
    predict(jobs, request_of(other), path, Silence())
    assert sum(other.batches) == 7


def test_a_bad_picture_is_named_and_the_rest_are_predicted(folder, tmp_path):
    (folder / "00003.png").write_bytes(b"no picture")
    save_png(folder / "00004.png", np.zeros((20, 30, 3), np.uint8), {})
    rows = predict(
        jobs_of(folder), request_of(Brightness()), tmp_path / "predictions.jsonl", Silence()
    )
    assert rows["00003"]["status"] == "failed"
    assert "no square" in rows["00004"]["reason"]
    assert sum(bool(row["predictions"]) for row in rows.values()) == 5
    assert np.isnan(predictions_of([rows["00003"]], ["mivolo"]).years).all()


def test_an_expert_predicts_its_own_domain_only(folder, tmp_path):
    expert = Brightness()
    rows = predict(
        jobs_of(folder), request_of(expert, "portraits"), tmp_path / "predictions.jsonl", Silence()
    )
    assert expert.batches == []
    assert all(row["predictions"] == {} for row in rows.values())


def test_an_absent_expert_is_named_and_the_others_go_on():
    ensemble = Ensemble.load([NanoAgeTable(), MiVoloTable()], CPU)
    assert list(ensemble.experts) == ["nano-age"]
    assert "mivolo" in str(ensemble.absent["mivolo"])
    assert ensemble.missed({"photos": 3, "portraits": 0}) == ["mivolo"]
    assert ensemble.missed({"photos": 0, "portraits": 3}) == []


def test_without_any_expert_the_error_lists_the_reasons():
    with pytest.raises(WeightsError, match=r"(?s)none of the experts is here.*mivolo: ") as error:
        Ensemble.load([MiVoloTable()], CPU)
    assert error.value.hint


def test_manifests_list_the_pictures_and_whether_they_are_aligned(folder, tmp_path):
    (folder / "manifest.jsonl").write_text(
        '{"output": "00001.png", "quad": [[0,0],[0,1],[1,1],[1,0]], "status": "done"}\n'
        '{"output": "00002.png", "status": "done", "verdict": "drop"}\n'
        '{"output": "00005.png", "status": "done", "truth": {"unaligned": 0}, "person": "9"}\n',
        encoding="utf-8",
    )
    jobs = jobs_of(folder)
    assert [job.name for job in jobs] == ["00001", "00005"]
    assert jobs[1].person == "9"
    assert are_aligned(jobs, FaceReading())
    listed = tmp_path / "list.csv"
    listed.write_text("path\nfaces/00004.png\nfaces/00002.png\n", encoding="utf-8")
    assert [job.name for job in jobs_of(listed)] == ["faces/00002", "faces/00004"]
    assert not are_aligned([Job("x", folder / "00001.png", aligned=False)], FaceReading())


def test_labels_match_by_path_before_name(tmp_path):
    for place in ("a", "b"):
        save_png(tmp_path / place / "1.png", np.zeros((8, 8, 3), np.uint8), {})
    listed = tmp_path / "ages.csv"
    listed.write_text("path,age\na/1.png,10\nb/1.png,20\n", encoding="utf-8")
    labels = read_reference_labels(listed)
    assert [labels.age_of(job) for job in jobs_of(tmp_path / "b")] == [20]
    assert [labels.age_of(job) for job in jobs_of(tmp_path)] == [10, 20]
    bare = tmp_path / "bare.csv"
    bare.write_text("name,age\n1,33\n", encoding="utf-8")
    assert read_reference_labels(bare).age_of(jobs_of(tmp_path / "a")[0]) == 33
    row = '{"output": "1.png", "status": "done", "age": 44}\n'
    (tmp_path / "b" / "manifest.jsonl").write_text(row, encoding="utf-8")
    assert read_reference_labels(tmp_path / "b").age_of(jobs_of(tmp_path / "b")[0]) == 44


def test_bfloat16_predicts_again_and_moves_ages_by_tenths(tmp_path):
    for number, pixels in enumerate(
        rendered(PortraitPlan(first=905_000, people=4, scenes=1, ages=1), Silence()).pictures
    ):
        save_png(tmp_path / "faces" / f"{number}.png", np.asarray(pixels), {})
    plans = [
        plan_relabel(
            RelabelRequest(
                source=tmp_path / "faces",
                out=tmp_path / "labels.json",
                aligned=True,
                device="cpu",
                settings=[f"precision='{precision}'"],
            )
        ).inference
        for precision in ("float32", "bfloat16")
    ]
    assert plans[0].settings != plans[1].settings
    ages = []
    for plan in plans:
        rows = predict(jobs_of(tmp_path / "faces"), plan, tmp_path / "predictions.jsonl", Silence())
        drawn = plan.ensemble.of_domain("portraits")
        ages.append(predictions_of(list(rows.values()), drawn).years)
    difference = np.abs(ages[0] - ages[1])
    assert 0 < difference.max() < 2
    assert difference.mean() < 0.5
