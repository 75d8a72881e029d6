"""Pictures from the browser and back to it: two routes that stand in for Gradio's own."""

from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from engine.core.errors import TmError
from engine.core.jsontext import to_json
from engine.page.album import Album
from engine.page.gate import API, FILE, SESSION, UPLOAD
from engine.page.sessions import Session

BLOCK = 1 << 20
TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".avif": "image/avif",
    ".json": "application/json",
}
"""What is served as what it is; anything else is only ever saved."""


def add_file_routes(app: FastAPI) -> None:
    """Add the routes that Gradio's page calls, before Gradio's."""
    app.add_api_route(UPLOAD, upload, methods=["POST"], response_model=None)
    app.add_api_route(f"{FILE}{{path:path}}", file, methods=["GET", "HEAD"], response_model=None)
    app.add_api_route(f"{API}/upload_progress", progress, methods=["GET"], response_model=None)


async def upload(request: Request) -> Response:
    """Store one picture in the session's folder; answers with its path, as Gradio's page expects.

    `?person` puts it among the photographs of one person. Its bytes are read later, by the reader
    of all pictures.
    """
    session = _session(request)
    new_place = session.new_upload
    if "person" in request.query_params:
        new_place = Album.of(session).new_photo
    try:
        async with request.form(max_files=1, max_fields=0) as form:
            (sent,) = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
            path = new_place(sent.filename or "")
            with path.open("xb") as stored:
                while block := await sent.read(BLOCK):
                    stored.write(block)
    except (MultiPartException, ValueError):
        return PlainTextResponse("one picture is expected", 400)
    except TmError as error:
        return PlainTextResponse(str(error), 507)
    return JSONResponse([str(path)])


async def file(request: Request, path: str) -> Response:
    """A file of the session's own folder; `?save` has the browser save it."""
    try:
        place = _session(request).file(path)
    except TmError:
        return PlainTextResponse("there is nothing here", 404)
    kind = TYPES.get(place.suffix.lower())
    saved = kind is None or "save" in request.query_params
    return FileResponse(
        place,
        media_type=kind or "application/octet-stream",
        filename=place.name if saved else None,
        headers={"cache-control": "private, no-store"},
    )


async def progress() -> Response:
    """The progress of an upload: on one machine there is nothing to wait for."""

    async def finished() -> AsyncIterator[str]:
        yield f"data: {to_json({'msg': 'done'})}\n\n"

    return StreamingResponse(finished(), media_type="text/event-stream")


def address(path: Path) -> str:
    """Where the page finds a file of the session."""
    return f"{FILE}{path.as_posix()}"


def _session(request: Request) -> Session:
    return request.scope[SESSION]
