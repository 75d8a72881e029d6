"""Whether a picture shows a drawn portrait or a photograph."""

from engine.data.domains import Domain
from engine.evaluators.drawn import domain_of
from engine.faces.descriptor import SMALLEST, describe_aligned
from engine.images.saving import is_rendered
from engine.inference.subject import Subject


def kind_of(subject: Subject) -> Domain:
    """The kind of a picture: as `tm` noted in the file that it rendered, else by its face."""
    if is_rendered(subject.path):
        return "portraits"
    if (described := subject.descriptor) is not None:
        return domain_of(described)
    return domain_of(describe_aligned(subject.face(SMALLEST)))
