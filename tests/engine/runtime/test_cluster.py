"""Batches on a Ray cluster: bad addresses and workers, dying workers, and the files of the pool."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import ray.exceptions

from engine.core.atomic import written
from engine.core.errors import DiskError, MemoryLimitError, UsageError
from engine.core.held import HeldFolder, TakenError
from engine.core.lock import locked
from engine.runtime import cluster
from engine.runtime.cluster import RayWorkers, on_cluster
from engine.runtime.cluster_faults import refused, translated, unusable
from engine.runtime.pool import Outcome, elsewhere, in_processes, is_elsewhere

MISMATCH = """Version mismatch: The cluster was started with:
    Ray: 2.9.0
    Python: 3.11.4
This process was started with: Ray: 2.60.0"""
CREATION = """The actor died because of an error raised in its creation task, ray::Worker.__init__()
  File "x.py", line 1, in <module>
ModuleNotFoundError: No module named 'engine'"""


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("127.0.0.1:1", "no Ray cluster is at `127.0.0.1:1`: .*refused"),
        ("nowhere.invalid:6379", "no Ray cluster is at `nowhere.invalid:6379`: "),
        ("127.0.0.1:99999", "no Ray cluster is at `127.0.0.1:99999`: "),
        ("6379", "`6379` is no address of a cluster"),
        ("ray://head:10001", "`ray://head:10001` is no address of a cluster"),
    ],
)
def test_an_address_where_no_cluster_is_is_refused_with_a_hint(address, fault):
    with pytest.raises(UsageError, match=fault) as caught, on_cluster(address):
        pass
    assert caught.value.hint is not None


@pytest.mark.parametrize("stale", [None, "nowhere.invalid:1"])
def test_auto_without_a_cluster_ends_at_once_even_where_one_was(monkeypatch, tmp_path, stale):
    from ray._private import services

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(services, "find_gcs_addresses", set)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda folder: stale)
    fault = "on this machine" if stale is None else f"at `{stale}`: "
    with pytest.raises(UsageError, match=f"no Ray cluster is .*{fault}"), on_cluster("auto"):
        pass


def test_a_cluster_is_not_joined_before_there_is_work(tmp_path, tm):
    empty = tmp_path / "empty"
    empty.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:  # of no cluster: joining would wait
        where = f"127.0.0.1:{server.getsockname()[1]}"
        told = tm("prep", "align", empty, tmp_path / "out", "--cluster", where)
        with on_cluster(where):
            assert list(in_processes(abs, [], workers=1)) == []
    assert told.code == 3
    assert "nothing to align" in told.err


def test_without_an_address_the_work_stays_here():
    with on_cluster(None):
        assert not is_elsewhere()


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="needs Ray") as caught, on_cluster("auto"):
        pass
    assert caught.value.hint == "pip install 'tm-toolkit[cluster]'"


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (refused("a:1", MISMATCH), UsageError, "other versions.*Ray: 2.9.0"),
        (refused("a:1", "timed  out"), UsageError, "no Ray cluster is at `a:1`: timed out"),
        (unusable(CREATION), UsageError, "cannot run tm: .*No module named 'engine'"),
        (unusable("it was killed"), UsageError, "do not start: it was killed"),
        (
            translated(ray.exceptions.ObjectStoreFullError("full")),
            MemoryLimitError,
            "the object store of the cluster is full",
        ),
        (translated(ray.exceptions.OutOfDiskError("full")), DiskError, "has no disk left"),
    ],
)
def test_what_ray_says_becomes_one_sentence_and_a_hint(error, kind, text):
    assert type(error) is kind
    with pytest.raises(kind, match=text):
        raise error
    assert error.hint is not None


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"tm": "0.0.1"}, r"a worker on box has tm 0\.0\.1, and here is "),
        ({"python": "2.7.18"}, r"a worker on box has python 2\.7\.18"),
        ({"lacks": "/faces"}, "a worker on box does not see `/faces`"),
    ],
)
def test_a_worker_that_is_not_as_this_process_is_refused(facts, fault):
    run = object.__new__(cluster._Run)
    run.require_same(cluster.describe())
    with pytest.raises(UsageError, match=fault):
        run.require_same({**cluster.describe(), "node": "box", **facts})


def test_items_go_to_other_workers_where_there_are_some():
    class Doubling:
        def outcomes(self, work, items, *, limit):
            return (Outcome(item, 2 * work(item)) for item in items)

    with elsewhere(Doubling()):
        outcomes = list(in_processes(abs, [-1, 2], workers=1))
    assert outcomes == [Outcome(-1, 2), Outcome(2, 4)]
    assert list(in_processes(abs, [-1], workers=1)) == [Outcome(-1, 1)]


def test_a_folder_owns_what_workers_of_other_machines_wrote(tmp_path):
    folder = HeldFolder(tmp_path, guarded=True)
    worker = folder.for_worker("00c0ffee")
    worker.begin(tmp_path / "a.png").write_text("")
    assert worker.owns("a.png")
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".partial"] == [
        ".tm-files.00c0ffee"
    ]
    (tmp_path / ".tm-files.mine").write_text('["b.png", null]\n')
    folder.release()
    assert folder.owns("a.png")
    assert not folder.owns("b.png")
    assert not (tmp_path / ".tm-files.00c0ffee").exists()
    HeldFolder(tmp_path, guarded=True).sweep()
    assert not list(tmp_path.glob("*.partial"))


def test_what_a_worker_wrote_before_it_died_is_replaced_by_the_next_one(tmp_path):
    folder = HeldFolder(tmp_path, guarded=True)
    (tmp_path / "theirs.png").write_text("")
    written = folder.for_worker("00c0ffee").begin(tmp_path / "a.png")
    written.write_text("")
    written.rename(tmp_path / "a.png")
    second = folder.for_worker("0badcafe")
    second.begin(tmp_path / "a.png")
    with pytest.raises(TakenError, match="is there already"):
        second.begin(tmp_path / "theirs.png")


SMALL = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}


@pytest.fixture(scope="module")
def three_nodes():
    """A cluster of three nodes of one processor each on this machine."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ |= {"RAY_raylet_start_wait_time_s": "240"}  # beside other work
    nodes = Cluster(initialize_head=True, head_node_args=SMALL)
    nodes.workers = [nodes.add_node(**SMALL) for _ in range(2)]
    yield nodes
    nodes.shutdown()


def poisoned(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 5:
        raise ValueError("of the work")
    return item, os.environ.get("TM_TOLD"), os.getpid()


def dying_after_it_wrote(path):
    with written(path) as file:
        file.write(b"whole")
    if not (mark := path.with_suffix(".died")).exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


@pytest.mark.slow
def test_an_item_whose_worker_died_after_it_wrote_is_done_by_another(three_nodes, tmp_path):
    names = [f"{number}.txt" for number in range(6)]
    with locked(tmp_path, guarded=True), on_cluster(three_nodes.address):
        items = [tmp_path / name for name in names]
        outcomes = list(in_processes(dying_after_it_wrote, items, workers=1))
    assert sorted(str(one.result) for one in outcomes) == names


@pytest.mark.slow
def test_the_item_that_kills_its_workers_is_named_and_faults_of_the_work_are_raised(
    three_nodes, monkeypatch
):
    monkeypatch.setenv("TM_TOLD", "so")
    with on_cluster(three_nodes.address):
        outcomes = {one.item: one.result for one in in_processes(poisoned, range(5), workers=1)}
        assert outcomes.pop(3) is None
        assert {item: result[:2] for item, result in outcomes.items()} == {
            item: (item, "so") for item in (0, 1, 2, 4)
        }
        with pytest.raises(ValueError, match="of the work"):
            list(in_processes(poisoned, [5], workers=1))
        slow = list(RayWorkers().outcomes(time.sleep, [0, 60], limit=3))
    assert sorted((one.item, one.result) for one in slow) == [(0, None), (60, None)]


def tm(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "tm", *map(os.fspath, words)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finished(*words):
    run = tm(*words)
    _, errors = run.communicate(timeout=1200)
    assert run.returncode == 0, errors


def without_seconds(path):
    text = path.read_text()
    rows = [json.loads(text)] if path.suffix == ".json" else map(json.loads, text.splitlines())
    return [timeless(row) for row in rows]


TIMES = ("seconds", "created", "sidecar_sha256")
"""Keys that hold a time, or the digest of what holds one."""


def timeless(value):
    if isinstance(value, list):
        return [timeless(one) for one in value]
    if isinstance(value, dict):
        return {key: timeless(one) for key, one in value.items() if key not in TIMES}
    return value


def assert_same_files(one, other):
    names = [
        sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
        for folder in (one, other)
    ]
    assert names[0] == names[1]
    for name in names[0]:
        if name.suffix in (".json", ".jsonl"):
            assert without_seconds(one / name) == without_seconds(other / name), name
        elif not name.name.startswith("."):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name


COUNT = int(os.environ.get("CLUSTER_FACES", "60"))


def align(photos, to):
    return "prep", "align", photos, to / "faces", "--size", "128"


def relabel(photos, to):
    return "relabel", photos, "--set", "batch=8", "--out", to / "labels.json"


def aligned(folder):
    return len(list((folder / "faces").glob("**/*.png")))


def relabelled(folder):
    journals = (folder / "labels_files").glob(".*.journal")
    return sum(len(path.read_text().splitlines()) for path in journals)


def loses_a_node(nodes, line, done):
    """Run a line of tm, kill a node once half of the faces are done, and give it back."""
    run = tm(*line, "--cluster", nodes.address)
    while done() < COUNT // 2:
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    assert run.poll() is None
    nodes.remove_node(nodes.workers.pop(), allow_graceful=False)
    assert done() < COUNT
    _, errors = run.communicate(timeout=1200)
    assert run.returncode == 0, errors
    nodes.workers.append(nodes.add_node(**SMALL))


def drawn_photos(folder, count):
    drawn = ("--per-person", "10", "--ages", "10..80", "--unaligned", "1", "--size", "256")
    finished("prep", "synth", folder, "--people", str(count // 10), "--seed", "450000", *drawn)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "done", "ledger"),
    [
        (align, aligned, "faces/manifest.jsonl"),
        (relabel, relabelled, "labels_files/predictions.jsonl"),
    ],
)
def test_a_cluster_that_loses_a_node_gives_the_files_of_the_pool(
    three_nodes, tmp_path, verb, done, ledger
):
    photos = drawn_photos(tmp_path / "photos", COUNT)
    here, there = tmp_path / "here", tmp_path / "there"
    finished(*verb(photos, here))
    loses_a_node(three_nodes, verb(photos, there), lambda: done(there))
    for labels in tmp_path.glob("*/labels.json"):
        labels.write_text(labels.read_text().replace(str(labels.parent), ""))
    assert_same_files(here, there)
    rows = without_seconds(there / ledger)
    assert len(rows) == COUNT
    assert {row["status"] for row in rows} <= {"done", "skipped"}  # one drawn face is not found


@pytest.mark.slow
def test_every_other_verb_on_a_cluster_gives_the_files_of_the_pool(three_nodes, tmp_path):
    photos = drawn_photos(tmp_path / "photos", 20)
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(photos.rglob("*.png"))[:4]:
        (few / path.name).write_bytes(path.read_bytes())
    here, there = tmp_path / "here", tmp_path / "there"
    for verb in (
        lambda to: align(photos, to),
        lambda to: ("prep", "filter", to / "faces"),
        lambda to: ("bank", "build", to / "faces", to / "bank.safetensors"),
        lambda to: ("infer", few, "--ages", "30", "--out", to / "aged"),
        lambda to: ("enhance", few, to / "enhanced", "--steps", "esrgan"),
    ):
        finished(*verb(here))
        finished(*verb(there), "--cluster", three_nodes.address)
    assert_same_files(here, there)


@pytest.mark.slow
def test_an_interrupt_leaves_no_worker_and_a_second_run_goes_on(three_nodes, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "faces"
    finished("prep", "synth", photos, "--people", "2", "--per-person", "10", "--unaligned", "1")
    line = ("prep", "align", photos, out, "--cluster", three_nodes.address)
    run = tm(*line)
    while not list(out.glob("**/*.png")):
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130, errors
    assert "Traceback" not in errors
    finished(*line)
    rows = without_seconds(out / "manifest.jsonl")
    assert [row["status"] for row in rows] == ["done"] * 20
