"""Whether a picture shows a drawn portrait or a photograph."""

import json
from typing import Any, cast

from engine.data.domains import Domain
from engine.evaluators.drawn import is_drawn
from engine.faces.descriptor import SMALLEST, describe_aligned, describe_face
from engine.images.reading import opened
from engine.images.saving import KEY
from engine.inference.subject import Subject

RENDERED = "rendered"


def kind_of(subject: Subject) -> Domain:
    """The kind of a picture: as `tm` noted in the file that it rendered, else by its face."""
    if _is_rendered(subject):
        return "portraits"
    if subject.detected is not None:
        descriptor = describe_face(subject.photo, subject.detected)
    else:
        descriptor = describe_aligned(subject.face(SMALLEST))
    return "portraits" if is_drawn(descriptor) else "photos"


def _is_rendered(subject: Subject) -> bool:
    if subject.path.suffix.lower() != ".png":
        return False
    with opened(subject.path) as image:
        text = image.info.get(KEY)
    try:
        note = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):  # somebody else's text under our key
        return False
    return isinstance(note, dict) and cast(dict[str, Any], note).get("made") == RENDERED
