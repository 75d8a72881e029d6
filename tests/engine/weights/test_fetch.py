import hashlib
import socket

import pytest

from engine.core.errors import DiskError, WeightsError
from engine.weights import download
from engine.weights.lockfile import Lock


def sha(content):
    return hashlib.sha256(content).hexdigest()


def parts(folder):
    return sorted(path.name for path in folder.glob("*.part*"))


def test_a_file_arrives_and_its_digest_goes_on_record(host, weight, pull, payload, folder):
    path = pull(weight(host.whole("/toy", payload)))
    assert path.read_bytes() == payload
    seen = Lock(folder).files["toy.bin"]
    assert (seen.sha256, seen.source) == (sha(payload), host.url("/toy"))
    assert parts(folder) == []


def test_a_file_that_is_here_is_not_requested_again(host, weight, pull, payload):
    toy = weight(host.whole("/toy", payload))
    assert pull(toy) == pull(toy)
    assert len(host.asked) == 1


def test_a_server_that_resumes_elsewhere_is_not_believed(host, weight, pull, payload):
    def route(handler):
        if handler.start is None and len(host.asked) == 1:
            handler.answer(200, payload[:5000], length=len(payload), ETag='"one"')
        elif handler.start is not None:
            span = f"bytes 0-{len(payload) - 1}/{len(payload)}"
            handler.answer(206, payload, ETag='"one"', Content_Range=span)
        else:
            handler.answer(200, payload, ETag='"one"')

    assert pull(weight(host.serve("/toy", route))).read_bytes() == payload


def test_bytes_of_unknown_origin_are_resumed_only_with_a_known_digest(
    host, weight, pull, payload, folder
):
    folder.mkdir()
    (folder / "toy.bin.part").write_bytes(payload[:1000])
    url = host.whole("/toy", payload)
    assert pull(weight(url, sha256=sha(payload))).read_bytes() == payload
    assert host.asked[-1][1] == "bytes=1000-"
    (folder / "toy.bin").unlink()
    (folder / "toy.bin.part").write_bytes(payload[:1000])
    assert pull(weight(url)).read_bytes() == payload
    assert host.asked[-1][1] is None


def test_spoilt_old_bytes_cost_one_more_download(host, weight, pull, payload, folder):
    folder.mkdir()
    (folder / "toy.bin.part").write_bytes(b"spoilt")
    assert pull(weight(host.whole("/toy", payload), sha256=sha(payload))).read_bytes() == payload
    assert [span for _, span, _ in host.asked] == ["bytes=6-", None]


def test_a_part_that_is_whole_already_only_needs_its_name(host, weight, pull, payload, folder):
    folder.mkdir()
    (folder / "toy.bin.part").write_bytes(payload)
    assert pull(weight(host.whole("/toy", payload), sha256=sha(payload))).read_bytes() == payload


def test_only_web_addresses_can_be_in_a_manifest(weight):
    with pytest.raises(ValueError, match="no http or https address"):
        weight("file:///etc/passwd")


def test_wrong_bytes_are_deleted_and_the_next_mirror_is_tried(host, weight, pull, payload, folder):
    wrong = host.whole("/wrong", b"?" * len(payload))
    path = pull(weight(wrong, host.whole("/toy", payload), sha256=sha(payload)))
    assert path.read_bytes() == payload
    assert [asked for asked, _, _ in host.asked] == ["/wrong", "/toy"]


def test_wrong_bytes_everywhere_leave_nothing_behind(host, weight, pull, payload, folder):
    toy = weight(host.whole("/wrong", payload), sha256=sha(b"the right ones"))
    with pytest.raises(WeightsError, match=f"gave another file: SHA-256 {sha(payload)}"):
        pull(toy)
    assert list(folder.glob("toy*")) == []


def test_the_first_digits_of_a_digest_are_checked_too(host, weight, pull, payload):
    url = host.whole("/toy", payload)
    with pytest.raises(WeightsError, match="gave another file"):
        pull(weight(url, sha256_prefix="00000000"))
    assert pull(weight(url, sha256_prefix=sha(payload)[:8]))


def test_a_file_fetched_anew_must_be_what_it_was_the_first_time(host, weight, pull, payload):
    url = host.whole("/toy", payload)
    pull(weight(url)).unlink()
    host.whole("/toy", payload[::-1], etag='"two"')
    with pytest.raises(WeightsError, match="gave another file than on 20"):
        pull(weight(url))


def test_a_missing_file_is_requested_once(host, weight, pull):
    url = host.serve("/toy", lambda handler: handler.answer(404))
    with pytest.raises(WeightsError, match="answers 404 Not Found"):
        pull(weight(url))
    assert len(host.asked) == 1


def test_every_failed_mirror_is_named(host, weight, pull):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}/toy"
        gone = host.serve("/gone", lambda handler: handler.answer(410))
        with pytest.raises(WeightsError, match=r"cannot be reached: .*; .* answers 410 Gone"):
            pull(weight(dead, gone))


def test_offline_nothing_is_requested(host, weight, pull, monkeypatch):
    monkeypatch.setenv("TM_OFFLINE", "1")
    with pytest.raises(WeightsError, match="TM_OFFLINE forbids to fetch them"):
        pull(weight(host.url("/toy")))
    assert host.asked == []


def test_without_an_address_the_hint_says_where_to_look(weight, pull):
    with pytest.raises(WeightsError, match="no address that a program can fetch") as error:
        pull(weight())
    assert "the toy shop" in error.value.hint


def test_a_full_disk_is_an_error_before_anything_is_written(
    host, weight, pull, payload, folder, monkeypatch
):
    monkeypatch.setattr(download, "RESERVE", 10**18)
    with pytest.raises(DiskError, match="are needed"):
        pull(weight(host.whole("/toy", payload)))
    assert list(folder.glob("toy*")) == []


def test_progress_counts_megabytes(host, weight, pull, payload):
    class Counting:
        total, done = 0, 0

        def begin(self, task, total):
            self.total = total

        def advance(self, note=""):
            self.done += 1

        def end(self): ...

        def remark(self, text): ...

    counting = Counting()
    pull(weight(host.whole("/toy", payload)), progress=counting)
    assert (counting.total, counting.done) == (3, 3)
