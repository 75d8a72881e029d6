"""Whether a picture shows a drawn portrait or a photograph."""

import json
from typing import Any, cast

from engine.data.domains import Domain
from engine.evaluators.domain import DomainClassifier
from engine.images.ranges import to_tensor
from engine.images.reading import opened
from engine.images.saving import KEY
from engine.inference.subject import Subject

DRAWN_SCORE = 1.4
"""OOD score of the nano encoder up to which an unmarked face is drawn.

The threshold in the weights, 1.9, takes 44 % of the 2015 portraits and 20 % of those of 2023 for
drawings (150 `train` people each): evenly lit faces before a plain wall. Up to 1.4 it is 2.1 % (420
portraits), and 3.2 % of 600 drawn faces of 96, 128 and 256 px are taken for photographs, which the
photo model ages tolerably; the nano stack makes another person of a photograph.
"""
RENDERED = "rendered"


def kind_of(subject: Subject, classifier: DomainClassifier) -> Domain:
    """The kind of a picture: as `tm` noted in the file that it rendered, else by its face."""
    if _is_rendered(subject):
        return "portraits"
    (score,) = classifier.scores(to_tensor(subject.face(classifier.size)))
    return "portraits" if score <= DRAWN_SCORE else "photos"


def _is_rendered(subject: Subject) -> bool:
    if subject.path.suffix.lower() != ".png":
        return False
    with opened(subject.path) as image:
        text = image.info.get(KEY)
    try:
        note = json.loads(text) if isinstance(text, str) else None
    except ValueError:  # somebody else's text under our key
        return False
    return isinstance(note, dict) and cast(dict[str, Any], note).get("made") == RENDERED
