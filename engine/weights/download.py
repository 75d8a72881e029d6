"""One file over http or https, with resume: what a server may do wrong ends in a reason."""

import re
import time
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from engine.core.atomic import disk_error, require_room, write_json
from engine.core.jsontext import from_json
from engine.core.progress import Progress, reported
from engine.core.regular import read_text
from engine.weights.manifest import Weight
from engine.weights.signature import web_page_in

CHUNK = 1 << 18
MEGABYTE = 1 << 20
RESERVE = 64 * MEGABYTE
"""Bytes that a download leaves free on the disk."""
RETRYABLE = (408, 425, 429, 500, 502, 503, 504)


class TransferError(Exception):
    """A download that did not come through; `final` means that trying again is useless."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


COUNT = re.compile("[0-9]{1,18}")
"""A number of bytes; longer ones are no sizes, and Python refuses to read some."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a download is tried again, and when it is given up."""

    timeout: float = 30.0
    """Seconds without a byte."""
    attempts: int = 4
    """Attempts in a row that bring nothing."""
    tries: int = 64
    """Attempts in all, however much each of them brings."""
    delay: float = 1.0
    """Seconds between attempts."""
    window: float = 60.0
    """Seconds over which the rate is measured."""
    floor: float = 1024.0
    """Bytes a second, under which a line is as good as dead."""


@dataclass(frozen=True, slots=True)
class PartialDownload:
    """Which file an unfinished one is a part of; kept as JSON beside it."""

    address: str
    validator: str | None
    total: int | None


class Redirects(HTTPRedirectHandler):
    """Follows redirects, but never from https to http."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if req.type == "https" and not newurl.lower().startswith("https:"):
            fp.close()
            raise TransferError(f"redirects to the unprotected {newurl}", final=True)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    weight: Weight,
    address: str,
    part: Path,
    *,
    progress: Progress,
    retries: RetryPolicy,
) -> bool:
    """Bring a whole file to `part`, going on where an earlier attempt ended.

    Returns whether bytes of an earlier attempt are in it. TransferError gives the reason when the
    server does not come through; what has arrived stays for the next time. DiskError if it has no
    room.
    """
    idle = tried = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _attempt(weight, address, part, progress, retries)
        except TransferError as fault:
            after = part.stat().st_size if part.exists() else 0
            idle, tried = 0 if after > before else idle + 1, tried + 1
            if fault.final or idle >= retries.attempts or tried >= retries.tries:
                raise
            time.sleep(retries.delay)


def discard(part: Path) -> None:
    """Forget an unfinished file."""
    part.unlink(missing_ok=True)
    _info_path(part).unlink(missing_ok=True)


def _attempt(
    weight: Weight, address: str, part: Path, progress: Progress, retries: RetryPolicy
) -> bool:
    partial, have = _unfinished(weight, address, part)
    headers = {"User-Agent": "tm-toolkit", "Accept": "*/*", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if partial is not None and partial.validator is not None:
            headers["If-Range"] = partial.validator
    try:
        response = _opener().open(Request(address, headers=headers), timeout=retries.timeout)
    except HTTPError as error:
        with error:
            if error.code == 416 and have:
                return _range_refused(error, part, have)
            answer = f"answers {error.code} {_reason(error.reason)}"
            raise TransferError(answer, final=error.code not in RETRYABLE) from None
    except URLError as error:
        raise TransferError(f"cannot be reached: {_reason(error.reason)}") from None
    except (OSError, HTTPException) as error:
        raise TransferError(f"does not answer: {_reason(error)}") from None
    except ValueError as error:  # urllib parses what it is redirected to
        raise TransferError(f"leads to no address: {_reason(error)}", final=True) from None
    with response:
        start, total = _extent(weight, response, part, have)
        validator = _validator(response)
        if start and partial is not None:
            if validator not in (None, partial.validator) or total not in (None, partial.total):
                discard(part)
                raise TransferError("goes on with another file than it began with")
            validator = partial.validator
        require_room(part.parent, (0 if total is None else total - start) + RESERVE)
        if not start:  # old bytes must never stand beside the partial of a new file
            part.unlink(missing_ok=True)
        write_json(_info_path(part), asdict(PartialDownload(address, validator, total)))
        megabytes = 0 if total is None else _megabytes(total)
        with reported(progress, f"Fetching {weight.name} (MiB)", megabytes):
            got = _receive(weight, response, part, start, progress, retries)
    if total is not None and got < total:
        raise TransferError(f"was cut after {got:,} of {total:,} bytes")
    return start > 0


def _unfinished(weight: Weight, address: str, part: Path) -> tuple[PartialDownload | None, int]:
    """What can be resumed: bytes of the same answer, or any bytes where a digest is known."""
    have = part.stat().st_size if part.exists() else 0
    try:
        partial = PartialDownload(**from_json(read_text(_info_path(part))))
    except (OSError, ValueError, TypeError):
        partial = None
    if partial is not None and partial.address == address and partial.validator is not None:
        return partial, have
    return None, have if weight.sha256 is not None else 0


def _extent(
    weight: Weight, response: HTTPResponse, part: Path, have: int
) -> tuple[int, int | None]:
    """Where the body begins and how long the whole file is; TransferError if neither can be."""
    if response.headers.get_content_type() == "text/html":
        raise TransferError("gives a web page instead of the file", final=True)
    length = response.headers.get("Content-Length")
    if response.status == 206:
        match = re.fullmatch(
            r"bytes ([0-9]{1,18})-[0-9]+/([0-9]{1,18}|\*)",
            response.headers.get("Content-Range", ""),
        )
        if not have or match is None or int(match[1]) != have:
            discard(part)
            raise TransferError("resumes at another byte than requested")
        start, total = have, None if match[2] == "*" else int(match[2])
    elif response.status == 200:
        start, total = 0, int(length) if length is not None and COUNT.fullmatch(length) else None
    else:
        raise TransferError(f"answers {response.status} {response.reason}", final=True)
    if total is not None and weight.bytes not in (None, total):
        raise TransferError(f"offers {total:,} bytes instead of {weight.bytes:,}", final=True)
    return start, weight.bytes if total is None else total


def _receive(
    weight: Weight,
    response: HTTPResponse,
    part: Path,
    start: int,
    progress: Progress,
    retries: RetryPolicy,
) -> int:
    """Write the body behind the first `start` bytes; returns the bytes the part then has."""
    got = start
    begun, had = time.monotonic(), start
    with _open_part(part, start) as file:
        for _ in range(_megabytes(start)):
            progress.advance()
        while chunk := _chunk(response, got, retries):
            page = web_page_in(chunk) if got == 0 else None
            if page is not None:
                raise TransferError(f"gives {page} instead of the file", final=True)
            try:
                file.write(chunk)
            except OSError as error:
                raise disk_error(error, part) from error
            for _ in range(_megabytes(got + len(chunk)) - _megabytes(got)):
                progress.advance()
            got += len(chunk)
            if time.monotonic() - begun > retries.window:
                if got - had < retries.floor * retries.window:
                    raise TransferError(
                        f"brought only {got - had:,} bytes in {retries.window:g} s", final=True
                    )
                begun, had = time.monotonic(), got
            if weight.bytes is not None and got > weight.bytes:
                raise TransferError(f"gives more than {weight.bytes:,} bytes", final=True)
    return got


def _megabytes(count: int) -> int:
    """Begun megabytes, the unit of the progress bar."""
    return -(-count // MEGABYTE)


def _open_part(part: Path, start: int) -> IO[bytes]:
    try:
        return part.open("ab" if start else "wb", buffering=0)
    except OSError as error:
        raise disk_error(error, part) from error


def _chunk(response: HTTPResponse, got: int, retries: RetryPolicy) -> bytes:
    try:
        return response.read1(CHUNK)
    except TimeoutError:
        raise TransferError(f"stalled for {retries.timeout:g} s after {got:,} bytes") from None
    except (OSError, HTTPException) as error:
        raise TransferError(f"was cut after {got:,} bytes: {_reason(error)}") from None


def _range_refused(error: HTTPError, part: Path, have: int) -> bool:
    """A part that is whole already is done; any other is started again."""
    match = re.fullmatch(r"bytes \*/([0-9]{1,18})", error.headers.get("Content-Range", ""))
    if match is not None and int(match[1]) == have:
        return True
    discard(part)
    raise TransferError("does not have the rest of this file")


def _validator(response: HTTPResponse) -> str | None:
    """What identifies this version of the file; a weak ETag does not identify bytes."""
    etag = response.headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _opener() -> OpenerDirector:
    """http and https alone: no file, ftp or data addresses, wherever a redirect points."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPDefaultErrorHandler(),
        Redirects(),
        HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _info_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _reason(error: object) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
