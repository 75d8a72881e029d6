"""What a server may do wrong in the middle of a file."""

import io
import subprocess
import sys
import time
from urllib.request import Request

import pytest
import torch

from engine.core.errors import WeightsError
from engine.weights.download import Redirects, TransferError

PAGE = b"<!DOCTYPE html><html><title>Google Drive - Virus scan warning</title><form></form></html>"


def parts(folder):
    return sorted(path.name for path in folder.glob("*.part*"))


def test_a_line_that_is_cut_is_taken_up_where_it_broke(host, weight, pull, payload):
    path = pull(weight(host.whole("/toy", payload, cut=800_000)))
    assert path.read_bytes() == payload
    starts = [0 if span is None else int(span[6:-1]) for _, span, _ in host.asked]
    assert starts == [0, 800_000, 1_600_000, 2_400_000]
    assert {condition for _, span, condition in host.asked if span} == {'"one"'}


def test_an_interrupted_download_goes_on_in_the_next_run(host, weight, pull, payload, folder):
    def dying(handler):
        handler.answer(200, payload[:1_000_000], length=len(payload), ETag='"one"')
        host.routes["/toy"] = lambda later: later.answer(503)

    toy = weight(host.serve("/toy", dying))
    with pytest.raises(WeightsError, match="answers 503") as error:
        pull(toy)
    assert "goes on after 1,000,000 bytes" in error.value.hint
    assert parts(folder) == ["toy.bin.part", "toy.bin.part.json"]
    assert not (folder / "toy.bin").exists()
    host.whole("/toy", payload)
    assert pull(toy).read_bytes() == payload
    assert host.asked[-1][1] == "bytes=1000000-"


def test_a_killed_process_leaves_what_the_next_one_goes_on_with(
    host, weight, pull, payload, folder
):
    def dripping(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(payload)))
        handler.send_header("ETag", '"one"')
        handler.end_headers()
        for start in range(0, 1_000_000, 10_000):
            handler.wfile.write(payload[start : start + 10_000])
            host.gone.wait(0.02)

    toy = weight(host.serve("/toy", dripping))
    code = (
        "import sys; from pathlib import Path; from engine.weights.fetch import fetch;"
        "from engine.weights.manifest import Weight;"
        "fetch(Weight.model_validate_json(sys.argv[1]), folder=Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, toy.model_dump_json(), folder])
    part, deadline = folder / "toy.bin.part", time.monotonic() + 30
    while not part.exists() or part.stat().st_size < 100_000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (folder / "toy.bin").exists()
    kept = part.stat().st_size
    host.whole("/toy", payload)
    assert pull(toy).read_bytes() == payload
    assert host.asked[-1] == ("/toy", f"bytes={kept}-", '"one"')


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(host, weight, pull, payload):
    def first_version(handler):
        handler.answer(200, b"old" * 1000, length=len(payload), ETag='"old"')
        host.whole("/toy", payload, etag='"new"')

    assert pull(weight(host.serve("/toy", first_version))).read_bytes() == payload
    assert host.asked[1] == ("/toy", "bytes=3000-", '"old"')


@pytest.mark.parametrize(("etag", "length"), [('"two"', 3_000_000), ('"one"', 3_000_001)])
def test_a_server_that_resumes_another_file_is_not_believed(
    host, weight, pull, payload, etag, length
):
    def route(handler):
        start = handler.start
        if start is not None:
            span = f"bytes {start}-{length - 1}/{length}"
            handler.answer(206, b"?" * (length - start), ETag=etag, Content_Range=span)
            return
        sent = payload[:7000] if len(host.asked) == 1 else payload
        handler.answer(200, sent, length=len(payload), ETag='"one"')

    assert pull(weight(host.serve("/toy", route))).read_bytes() == payload
    assert [span for _, span, _ in host.asked] == [None, "bytes=7000-", None]


def test_the_rest_may_come_without_an_etag_and_in_several_pieces(host, weight, pull, payload):
    def route(handler):
        start = handler.start
        if start is None:
            handler.answer(200, payload[:1000], length=len(payload), ETag='"one"')
        else:
            span = f"bytes {start}-{len(payload) - 1}/{len(payload)}"
            body = payload[start : start + 1_500_000]
            handler.answer(206, body, length=len(payload) - start, Content_Range=span)

    assert pull(weight(host.serve("/toy", route))).read_bytes() == payload
    assert [condition for _, _, condition in host.asked] == [None, '"one"', '"one"']


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(host, weight, pull, payload):
    def route(handler):
        sent = payload if handler.start is not None else payload[:5000]
        handler.answer(200, sent, length=len(payload), ETag='"one"')

    assert pull(weight(host.serve("/toy", route))).read_bytes() == payload
    assert [span for _, span, _ in host.asked] == [None, "bytes=5000-"]


def test_a_server_that_stalls_is_left_for_the_next_mirror(host, weight, pull, payload):
    def stalling(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload[:1000])
        host.gone.wait(20)

    began = time.monotonic()
    toy = weight(host.serve("/stall", stalling), host.whole("/toy", payload))
    assert pull(toy).read_bytes() == payload
    assert time.monotonic() - began < 5


def test_a_stall_is_named(host, weight, pull):
    def stalling(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"0123456789")
        host.gone.wait(20)

    with pytest.raises(WeightsError, match=r"stalled for 0\.3 s after 10 bytes"):
        pull(weight(host.serve("/toy", stalling)))


def test_a_line_that_only_drips_is_given_up(host, weight, pull):
    def dripping(handler):
        handler.answer(200, b"?", length=3_000_000, ETag='"one"')
        while not host.gone.wait(0.05):
            handler.wfile.write(b"?")

    with pytest.raises(WeightsError, match=r"brought only [0-9]+ bytes in 0.5 s"):
        pull(weight(host.serve("/toy", dripping)))
    assert len(host.asked) == 1


def test_a_server_that_gives_a_byte_a_time_is_not_asked_for_ever(host, weight, pull, payload):
    def grudging(handler):
        start = handler.start or 0
        span = {"Content_Range": f"bytes {start}-{start}/{len(payload)}"} if start else {}
        code = 206 if start else 200
        left = len(payload) - start
        handler.answer(code, payload[start : start + 1], length=left, ETag='"one"', **span)

    with pytest.raises(WeightsError, match="was cut after 9 of"):
        pull(weight(host.serve("/toy", grudging)))
    assert len(host.asked) == 9


def test_a_promised_length_that_never_comes_is_an_error(host, weight, pull, folder):
    route = host.serve("/toy", lambda handler: handler.answer(200, b"short", length=5000))
    with pytest.raises(WeightsError, match="was cut after 5 of 5,000 bytes"):
        pull(weight(route))
    assert not (folder / "toy.bin").exists()


def test_a_length_that_is_too_short_is_found_by_the_form_of_the_file(host, weight, pull, folder):
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(50_000)}, buffer)
    content = buffer.getvalue()
    url = host.serve("/toy", lambda handler: handler.answer(200, content, length=100_000))
    with pytest.raises(WeightsError, match="gave a file that is cut short"):
        pull(weight(url, file="toy.pt"))
    assert list(folder.glob("toy.pt*")) == []


def test_a_length_that_is_not_the_known_one_is_refused_before_it_is_fetched(
    host, weight, pull, payload
):
    toy = weight(host.whole("/toy", payload), bytes=len(payload) + 1)
    with pytest.raises(WeightsError, match="offers 3,000,000 bytes instead of 3,000,001"):
        pull(toy)


def test_a_stream_without_length_ends_at_the_known_size(host, weight, pull, payload):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b"%x\r\n" % 100_000 + b"x" * 100_000 + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    with pytest.raises(WeightsError, match="gives more than 2,000,000 bytes"):
        pull(weight(host.serve("/toy", endless), bytes=2_000_000))
    assert pull(weight(host.url("/toy"), bytes=4_000_000)).read_bytes() == b"x" * 4_000_000


def test_a_chunked_stream_that_breaks_off_is_not_taken_for_whole(host, weight, pull, folder):
    def broken(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"64\r\n" + b"x" * 40)

    with pytest.raises(WeightsError, match="was cut after 40 bytes"):
        pull(weight(host.serve("/toy", broken)))
    assert not (folder / "toy.bin").exists()


def test_redirects_are_followed_and_keep_the_range(host, weight, pull, payload):
    host.whole("/there", payload, cut=2_000_000)
    url = host.serve("/toy", lambda handler: handler.answer(302, Location=host.url("/there")))
    assert pull(weight(url)).read_bytes() == payload
    assert ("/there", "bytes=2000000-", '"one"') in host.asked


def test_redirects_in_a_circle_end(host, weight, pull):
    url = host.serve("/toy", lambda handler: handler.answer(302, Location=host.url("/toy")))
    with pytest.raises(WeightsError, match="answers 302") as error:
        pull(weight(url))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_leads_nowhere_but_to_the_web(host, weight, pull, folder, target):
    url = host.serve("/toy", lambda handler: handler.answer(302, Location=target))
    with pytest.raises(WeightsError, match="unknown url type|is not allowed"):
        pull(weight(url))
    assert list(folder.glob("toy*")) == []


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_not_a_file(host, weight, pull, folder, kind):
    url = host.serve("/toy", lambda handler: handler.answer(200, PAGE, Content_Type=kind))
    with pytest.raises(WeightsError, match="gives a web page instead of the file"):
        pull(weight(url))
    assert list(folder.glob("toy*")) == []
    assert len(host.asked) == 1


def test_a_web_page_that_drips_is_found_when_it_is_whole(host, weight, pull, folder):
    def route(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(PAGE)))
        handler.end_headers()
        handler.wfile.write(PAGE[:3])
        host.gone.wait(0.1)
        handler.wfile.write(PAGE[3:])

    with pytest.raises(WeightsError, match="gave a file that is a web page"):
        pull(weight(host.serve("/toy", route)))
    assert list(folder.glob("toy*")) == []


def test_a_busy_server_is_tried_again(host, weight, pull, payload):
    def busy(handler):
        handler.answer(503)
        host.whole("/toy", payload)

    assert pull(weight(host.serve("/toy", busy))).read_bytes() == payload


def test_a_redirect_never_leaves_the_protected_line():
    request = Request("https://example.org/toy")
    with pytest.raises(TransferError, match="redirects to the unprotected http://"):
        Redirects().redirect_request(request, io.BytesIO(), 302, "", {}, "http://example.org/toy")
