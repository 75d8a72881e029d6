"""The resumable batch that align, infer and enhance share."""

import pytest

from engine.core.batch import INPUT_FAULTS, fault_row, is_current, run_batch
from engine.core.digest import file_sha256
from engine.core.errors import DiskError, PictureError
from engine.core.ledger import Ledger
from engine.core.progress import Silence

SETTINGS = "v1"


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{name}.txt" for name in "abc"]
    for path in paths:
        path.write_text(path.stem)
    return paths


def run(files, out, work, settings=SETTINGS):
    out.mkdir(exist_ok=True)
    done = []

    def finished(paths):
        for path in paths:
            done.append(path.stem)
            try:
                rows = work(path)
            except INPUT_FAULTS as error:
                rows = [fault_row(error)]
            common = {"source": path.name, "sha256": file_sha256(path), "settings": settings}
            yield path, [{"output": None, **common, **row} for row in rows]

    with Ledger(out / "rows.jsonl", key=lambda row: f"{row['source']} {row['output']}") as ledger:
        report = run_batch(
            files,
            ledger,
            name=lambda path: path.name,
            is_finished=lambda path, rows: is_current(path, rows, out, settings),
            work=finished,
            task="Working",
            progress=Silence(),
        )
        return report, done, dict(ledger.rows)


def copied(out, parts=1):
    def work(path):
        names = [f"{path.stem}{part}.txt" for part in range(parts)]
        for name in names:
            (out / name).write_text(path.read_text())
        return [{"output": name, "status": "done", "reason": None} for name in names]

    return work


def test_a_second_run_does_nothing(files, tmp_path):
    out = tmp_path / "out"
    report, done, _ = run(files, out, copied(out))
    assert (report.counts, report.kept) == ({"done": 3, "skipped": 0, "failed": 0}, 0)
    report, again, rows = run(files, out, copied(out))
    assert (done, again) == (["a", "b", "c"], [])
    assert (report.rows, report.kept, len(rows)) == ((), 3, 3)


def test_changed_sources_settings_and_missing_outputs_are_done_again(files, tmp_path):
    out = tmp_path / "out"
    run(files, out, copied(out))
    files[0].write_text("changed")
    (out / "b0.txt").unlink()
    assert run(files, out, copied(out))[1] == ["a", "b"]
    assert run(files, out, copied(out), settings="v2")[1] == ["a", "b", "c"]


def test_rows_of_an_earlier_run_are_replaced_as_a_whole(files, tmp_path):
    out = tmp_path / "out"
    assert len(run(files, out, copied(out, parts=2))[2]) == 6
    assert len(run(files, out, copied(out, parts=1), settings="v2")[2]) == 3


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (PictureError("no face found", status="skipped"), "skipped", "no face found"),
        (PermissionError(13, "Permission denied"), "failed", "cannot be read: Permission denied"),
        (MemoryError("2 GB"), "failed", "needs more memory than there is: 2 GB"),
    ],
)
def test_a_fault_of_one_input_becomes_its_row(files, tmp_path, error, status, reason):
    out = tmp_path / "out"

    def work(path):
        if path.stem == "b":
            raise error
        return copied(out)(path)

    report, done, rows = run(files, out, work)
    assert done == ["a", "b", "c"]
    assert report.counts["done"] == 2
    row = rows["b.txt None"]
    assert (row["status"], row["reason"]) == (status, reason)
    assert run(files, out, copied(out))[1] == ["b"]


def test_other_errors_end_the_batch_and_lose_no_row(files, tmp_path):
    out = tmp_path / "out"

    def work(path):
        if path.stem == "c":
            raise DiskError("no space left")
        return copied(out)(path)

    with pytest.raises(DiskError):
        run(files, out, work)
    assert run(files, out, copied(out))[1] == ["c"]


def test_an_output_that_was_changed_is_not_current(files, tmp_path):
    row = {"status": "done", "settings": SETTINGS, "sha256": file_sha256(files[0])}
    row |= {"output": "b.txt", "output_sha256": file_sha256(files[1])}
    assert is_current(files[0], [row], tmp_path, SETTINGS)
    files[1].write_text("changed")
    assert not is_current(files[0], [row], tmp_path, SETTINGS)
    assert not is_current(tmp_path / "gone.txt", [row], tmp_path, SETTINGS)
    assert not is_current(files[0], [], tmp_path, SETTINGS)
