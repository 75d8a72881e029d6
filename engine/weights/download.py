"""One file over http or https, with resume: what a server may do wrong ends in a reason."""

import json
import re
import shutil
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

from engine.core.atomic import disk_error, write_json
from engine.core.errors import DiskError
from engine.core.progress import Progress, reported
from engine.weights.manifest import Weight
from engine.weights.signature import page_in

CHUNK = 1 << 18
MEGABYTE = 1 << 20
SPARE = 64 * MEGABYTE
"""Bytes that a download leaves free on the disk."""
WORTH_RETRYING = (408, 425, 429, 500, 502, 503, 504)


class TransferError(Exception):
    """A download that did not come through; `final` means that trying again is useless."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is put up with."""

    stall: float = 30.0
    """Seconds without a byte."""
    tries: int = 4
    """Attempts in a row that bring nothing."""
    pause: float = 1.0
    """Seconds between attempts."""


@dataclass(frozen=True, slots=True)
class Memo:
    """What an unfinished file is a part of, kept beside it."""

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
    patience: Patience,
) -> bool:
    """Bring a whole file to `part`, going on where an earlier attempt ended.

    Returns whether bytes of an earlier attempt are in it. TransferError gives the reason when the
    server does not come through; what has arrived stays for the next time. DiskError if it has no
    room.
    """
    idle = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _attempt(weight, address, part, progress, patience)
        except TransferError as fault:
            after = part.stat().st_size if part.exists() else 0
            idle = 0 if after > before else idle + 1
            if fault.final or idle >= patience.tries:
                raise
            time.sleep(patience.pause)


def discard(part: Path) -> None:
    """Forget an unfinished file."""
    part.unlink(missing_ok=True)
    _memo_path(part).unlink(missing_ok=True)


def _attempt(
    weight: Weight, address: str, part: Path, progress: Progress, patience: Patience
) -> bool:
    memo, have = _unfinished(weight, address, part)
    headers = {"User-Agent": "tm-toolkit", "Accept": "*/*", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if memo is not None and memo.validator is not None:
            headers["If-Range"] = memo.validator
    try:
        response = _opener().open(Request(address, headers=headers), timeout=patience.stall)
    except HTTPError as error:
        with error:
            if error.code == 416 and have:
                return _range_refused(error, part, have)
            told = f"answers {error.code} {_told(error.reason)}"
            raise TransferError(told, final=error.code not in WORTH_RETRYING) from None
    except URLError as error:
        raise TransferError(f"cannot be reached: {_told(error.reason)}") from None
    except (OSError, HTTPException) as error:
        raise TransferError(f"does not answer: {_told(error)}") from None
    with response:
        start, total = _extent(weight, response, part, have)
        validator = _validator(response)
        if start and memo is not None:
            if validator not in (None, memo.validator) or total not in (None, memo.total):
                discard(part)
                raise TransferError("goes on with another file than it began with")
            validator = memo.validator
        _require_room(part.parent, total, start)
        if not start:  # old bytes must never stand beside the memo of a new file
            part.unlink(missing_ok=True)
        write_json(_memo_path(part), asdict(Memo(address, validator, total)))
        megabytes = 0 if total is None else _megabytes(total)
        with reported(progress, f"Fetching {weight.name} (MiB)", megabytes):
            got = _receive(weight, response, part, start, progress, patience)
    if total is not None and got < total:
        raise TransferError(f"was cut after {got:,} of {total:,} bytes")
    return start > 0


def _unfinished(weight: Weight, address: str, part: Path) -> tuple[Memo | None, int]:
    """What can be gone on with: bytes of the same answer, or any bytes that a digest will judge."""
    have = part.stat().st_size if part.exists() else 0
    try:
        memo = Memo(**json.loads(_memo_path(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        memo = None
    if memo is not None and memo.address == address and memo.validator is not None:
        return memo, have
    return None, have if weight.sha256 is not None else 0


def _extent(
    weight: Weight, response: HTTPResponse, part: Path, have: int
) -> tuple[int, int | None]:
    """Where the body begins and how long the whole file is; TransferError if neither can be."""
    if response.headers.get_content_type() == "text/html":
        raise TransferError("gives a web page instead of the file", final=True)
    length = response.headers.get("Content-Length")
    if response.status == 206:
        told = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not have or told is None or int(told[1]) != have:
            discard(part)
            raise TransferError("goes on at another place than asked")
        start, total = have, None if told[2] == "*" else int(told[2])
    elif response.status == 200:
        start, total = 0, int(length) if length is not None and length.isdigit() else None
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
    patience: Patience,
) -> int:
    """Write the body behind the first `start` bytes; returns the bytes the part then has."""
    got = start
    with _opened(part, start) as file:
        for _ in range(_megabytes(start)):
            progress.advance()
        while chunk := _chunk(response, got, patience):
            page = page_in(chunk) if got == 0 else None
            if page is not None:
                raise TransferError(f"gives {page} instead of the file", final=True)
            try:
                file.write(chunk)
            except OSError as error:
                raise disk_error(error, part) from error
            for _ in range(_megabytes(got + len(chunk)) - _megabytes(got)):
                progress.advance()
            got += len(chunk)
            if weight.bytes is not None and got > weight.bytes:
                raise TransferError(f"gives more than {weight.bytes:,} bytes", final=True)
    return got


def _megabytes(count: int) -> int:
    """Begun megabytes, the unit that progress is told in."""
    return -(-count // MEGABYTE)


def _opened(part: Path, start: int) -> IO[bytes]:
    try:
        return part.open("ab" if start else "wb", buffering=0)
    except OSError as error:
        raise disk_error(error, part) from error


def _chunk(response: HTTPResponse, got: int, patience: Patience) -> bytes:
    try:
        return response.read1(CHUNK)
    except TimeoutError:
        raise TransferError(f"stalled for {patience.stall:g} s after {got:,} bytes") from None
    except (OSError, HTTPException) as error:
        raise TransferError(f"was cut after {got:,} bytes: {_told(error)}") from None


def _range_refused(error: HTTPError, part: Path, have: int) -> bool:
    """A part that is whole already is done; any other is started again."""
    told = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
    if told is not None and int(told[1]) == have:
        return True
    discard(part)
    raise TransferError("does not have the rest of this file")


def _validator(response: HTTPResponse) -> str | None:
    """What identifies this version of the file; a weak ETag does not identify bytes."""
    etag = response.headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _require_room(folder: Path, total: int | None, start: int) -> None:
    free = shutil.disk_usage(folder).free
    need = (0 if total is None else total - start) + SPARE
    if free < need:
        raise DiskError(
            f"`{folder}` has {free / 1e9:.1f} GB free, {need / 1e9:.1f} GB are needed",
            hint="free some space, or choose another folder with TM_WEIGHTS",
        )


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


def _memo_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _told(error: object) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
