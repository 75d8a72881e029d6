"""Predictions in a ledger are the same however often a run was interrupted."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from engine.app.relabel import Request, planned
from engine.core.errors import WeightsError
from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, rendered
from engine.experts.base import Answer
from engine.experts.kinds.mivolo import MiVoloTable
from engine.experts.kinds.nano_age import NanoAgeTable
from engine.images.saving import save_png
from engine.relabel.reading import FaceReading, are_aligned
from engine.relabel.recipe import load_relabel
from engine.relabel.source import Job, jobs_of, read_labels
from engine.relabel.voting import DomainSorter, Panel, PredictionRequest, collect, votes_of
from engine.runtime.device import choose

CPU = torch.device("cpu")


class Brightness:
    """An expert whose age is the mean brightness, and which depends on the size of its batch."""

    digest = "bright"

    def __init__(self, stop_after=None):
        self.asked, self.threads, self.stop_after = [], [], stop_after

    def answer(self, faces):
        if self.stop_after is not None and len(self.asked) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked.append(len(faces))
        self.threads.append(torch.get_num_threads())
        years = (faces.at(16).mean(dim=(1, 2, 3)) + 1) * 50 + len(faces) / 1000
        return Answer(years, torch.full_like(years, 3), torch.full_like(years, 0.5))


class Meeting(Brightness):
    """One that answers its first batches only when as many are asked about at once."""

    def __init__(self, parties):
        super().__init__()
        self.barrier, self.met = threading.Barrier(parties, timeout=30), False

    def answer(self, faces):
        if not self.met:
            self.barrier.wait()
            self.met = True
        return super().answer(faces)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "faces"
    draw = np.random.default_rng(0)
    for number in range(7):
        level = draw.integers(0, 256)
        save_png(place / f"{number:05d}.png", np.full((20, 20, 3), level, np.uint8), {})
    return place


def ballot(expert, domain="photos", hands=1, batch=3):
    table = MiVoloTable()
    panel = Panel({"mivolo": expert}, {"mivolo": table}, {}, {"mivolo": table})
    return PredictionRequest(panel, DomainSorter(domain, CPU), FaceReading(), True, batch, 1, hands)


def test_an_interrupted_run_ends_in_the_same_ledger_as_one_that_was_not(folder, tmp_path):
    jobs, whole, cut = jobs_of(folder), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    collect(jobs, ballot(Brightness()), whole, Silence())
    with pytest.raises(KeyboardInterrupt):
        collect(jobs, ballot(Brightness(stop_after=1)), cut, Silence())
    assert 0 < len(cut.read_text().splitlines()) < 7
    again = Brightness()
    collect(jobs, ballot(again), cut, Silence())
    assert again.asked == [3, 1]
    assert cut.read_bytes() == whole.read_bytes()


def test_batches_asked_about_side_by_side_make_the_same_ledger(folder, tmp_path):
    jobs, whole, split = jobs_of(folder), tmp_path / "whole.jsonl", tmp_path / "split.jsonl"
    collect(jobs, ballot(Brightness(), batch=1), whole, Silence())
    expert = Meeting(2)
    collect(jobs, ballot(expert, hands=2, batch=1), split, Silence())
    assert expert.met
    assert split.read_bytes() == whole.read_bytes()


def test_batches_side_by_side_share_the_cores_and_give_them_back(folder, tmp_path):
    threads, expert = torch.get_num_threads(), Brightness()
    torch.set_num_threads(6)
    try:
        collect(jobs_of(folder), ballot(expert, hands=2), tmp_path / "v.jsonl", Silence())
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(torch.get_num_threads).result()
    finally:
        torch.set_num_threads(threads)
    assert set(expert.threads) == {3}
    assert later == 6


def test_only_small_experts_are_asked_about_batches_side_by_side(folder, tmp_path):
    request = Request(folder, tmp_path / "l.json", experts="nano-age", aligned=True, workers=3)
    assert planned(load_relabel("relabel/moe"), request, choose("cpu")).ballot.hands == 3
    assert not ballot(Brightness()).panel.small


def test_a_run_side_by_side_that_is_interrupted_goes_on_to_the_same_ledger(folder, tmp_path):
    jobs, whole, cut = jobs_of(folder), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    collect(jobs, ballot(Brightness(), batch=1), whole, Silence())
    with pytest.raises(KeyboardInterrupt):
        collect(jobs, ballot(Brightness(stop_after=4), hands=2, batch=1), cut, Silence())
    assert 0 < len(cut.read_text().splitlines()) < 7
    collect(jobs, ballot(Brightness(), hands=2, batch=1), cut, Silence())
    assert cut.read_bytes() == whole.read_bytes()


def test_a_chunk_that_was_cut_in_the_middle_is_asked_about_as_a_whole(folder, tmp_path):
    jobs, whole, cut = jobs_of(folder), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    collect(jobs, ballot(Brightness()), whole, Silence())
    cut.write_text("".join(whole.read_text().splitlines(keepends=True)[:4]), encoding="utf-8")
    again = Brightness()
    collect(jobs, ballot(again), cut, Silence())
    assert again.asked == [3, 1]
    assert cut.read_bytes() == whole.read_bytes()


def test_a_second_run_asks_nobody_and_a_changed_picture_is_asked_about(folder, tmp_path):
    jobs, path = jobs_of(folder), tmp_path / "votes.jsonl"
    collect(jobs, ballot(Brightness()), path, Silence())
    again = Brightness()
    collect(jobs, ballot(again), path, Silence())
    assert again.asked == []
    save_png(folder / "00006.png", np.full((20, 20, 3), 250, np.uint8), {})
    rows = collect(jobs, ballot(again), path, Silence())
    assert again.asked == [1]
    assert rows["00006"]["votes"]["mivolo"][0] == pytest.approx(98.04, abs=0.1)


def test_other_weights_are_asked_anew(folder, tmp_path):
    jobs, path = jobs_of(folder), tmp_path / "votes.jsonl"
    collect(jobs, ballot(Brightness()), path, Silence())
    other = Brightness()
    other.digest = "another"
    collect(jobs, ballot(other), path, Silence())
    assert sum(other.asked) == 7


def test_a_bad_picture_is_named_and_the_rest_are_answered(folder, tmp_path):
    (folder / "00003.png").write_bytes(b"no picture")
    save_png(folder / "00004.png", np.zeros((20, 30, 3), np.uint8), {})
    rows = collect(jobs_of(folder), ballot(Brightness()), tmp_path / "votes.jsonl", Silence())
    assert rows["00003"]["status"] == "failed"
    assert "no square" in rows["00004"]["reason"]
    assert sum(bool(row["votes"]) for row in rows.values()) == 5
    assert np.isnan(votes_of([rows["00003"]], ["mivolo"]).years).all()


def test_an_expert_is_not_asked_about_pictures_it_does_not_know(folder, tmp_path):
    expert = Brightness()
    rows = collect(
        jobs_of(folder), ballot(expert, "portraits"), tmp_path / "votes.jsonl", Silence()
    )
    assert expert.asked == []
    assert all(row["votes"] == {} for row in rows.values())


def test_an_absent_expert_is_named_and_the_others_go_on():
    panel = Panel.of([NanoAgeTable(), MiVoloTable()], CPU)
    assert list(panel.experts) == ["nano-age"]
    assert "mivolo" in str(panel.absent["mivolo"])
    assert panel.missed({"photos": 3, "portraits": 0}) == ["mivolo"]
    assert panel.missed({"photos": 0, "portraits": 3}) == []


def test_without_any_expert_the_reasons_are_told():
    with pytest.raises(WeightsError, match=r"(?s)none of the experts is here.*mivolo: ") as error:
        Panel.of([MiVoloTable()], CPU)
    assert error.value.hint


def test_manifests_say_which_pictures_there_are_and_whether_they_are_aligned(folder, tmp_path):
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


def test_labels_go_by_path_before_name(tmp_path):
    for place in ("a", "b"):
        save_png(tmp_path / place / "1.png", np.zeros((8, 8, 3), np.uint8), {})
    listed = tmp_path / "ages.csv"
    listed.write_text("path,age\na/1.png,10\nb/1.png,20\n", encoding="utf-8")
    labels = read_labels(listed)
    assert [labels.age_of(job) for job in jobs_of(tmp_path / "b")] == [20]
    assert [labels.age_of(job) for job in jobs_of(tmp_path)] == [10, 20]
    bare = tmp_path / "bare.csv"
    bare.write_text("name,age\n1,33\n", encoding="utf-8")
    assert read_labels(bare).age_of(jobs_of(tmp_path / "a")[0]) == 33
    row = '{"output": "1.png", "status": "done", "age": 44}\n'
    (tmp_path / "b" / "manifest.jsonl").write_text(row, encoding="utf-8")
    assert read_labels(tmp_path / "b").age_of(jobs_of(tmp_path / "b")[0]) == 44


def test_half_precision_asks_again_and_moves_ages_by_tenths(tmp_path):
    for number, pixels in enumerate(
        rendered(PortraitPlan(first=905_000, people=4, scenes=1, ages=1), Silence()).pictures
    ):
        save_png(tmp_path / "faces" / f"{number}.png", np.asarray(pixels), {})
    request = Request(tmp_path / "faces", tmp_path / "labels.json", aligned=True)
    plans = [
        planned(load_relabel("relabel/moe"), request, choose("cpu", precision)).ballot
        for precision in ("float32", "bfloat16")
    ]
    assert plans[0].settings != plans[1].settings
    ages = []
    for plan in plans:
        rows = collect(jobs_of(request.source), plan, tmp_path / "votes.jsonl", Silence())
        ages.append(votes_of(list(rows.values()), list(plan.panel.experts)).years)
    away = np.abs(ages[0] - ages[1])
    assert 0 < away.max() < 2
    assert away.mean() < 0.5
