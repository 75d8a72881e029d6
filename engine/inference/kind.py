"""Whether a picture shows a drawn portrait or a photograph."""

import json
from typing import Any, cast

from engine.data.domains import Domain
from engine.evaluators.domain import DomainClassifier
from engine.images.ranges import to_tensor
from engine.images.reading import opened
from engine.images.saving import KEY
from engine.inference.subject import Subject

RENDERED = "rendered"


def kind_of(subject: Subject, classifier: DomainClassifier) -> Domain:
    """The kind of a picture: as `tm` noted in the file that it rendered, else by its face."""
    if _is_rendered(subject):
        return "portraits"
    (domain,) = classifier.classify(to_tensor(subject.face(classifier.size)))
    return domain


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
