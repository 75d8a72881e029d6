"""What `tm infer` does with a clip: the options that hold for it, and what ages its frames."""

from typing import TYPE_CHECKING

from engine.core.errors import PictureError, UsageError
from engine.data.domains import Domain
from engine.inference.aligned_method import AlignedMethod
from engine.inference.by_kind import MethodByKind
from engine.inference.folder import Method
from engine.inference.models import Models
from engine.inference.photo_method import PhotoMethod
from engine.inference.plan import InferPlan
from engine.inference.reage import Reager
from engine.inference.subject import Subject
from engine.video.coded_frames import CodedFrames
from engine.video.method import FrameMethod
from engine.video.photo_frames import PhotoFrames
from engine.video.run import MethodMaker

if TYPE_CHECKING:
    from engine.app.infer import InferRequest


def require_clip_options(request: "InferRequest") -> None:
    """UsageError for an option that a clip does not know."""
    photos = {
        "--size": request.size is not None,
        "--coupled": request.coupled,
        "--strip": request.strip,
        "--morph": request.film is not None,
        "--aligned": request.aligned,
        "--paste": request.paste,
        "--max": request.most is not None,
    }
    if odd := [name for name, asked in photos.items() if asked]:
        raise UsageError(
            f"`{odd[0]}` is for photos, and `{request.source}` is a clip",
            hint="`--preview 6` makes a strip of a clip",
        )


def frame_methods(models: Models, plan: InferPlan, strength: float) -> MethodMaker:
    """What makes the method for the frames of a clip."""

    made: dict[Domain, Method] = {}

    def method_for(domain: Domain) -> Method:
        if domain not in made:
            method = models.method(plan, strength)
            made[domain] = method.makers[domain]() if isinstance(method, MethodByKind) else method
        return made[domain]

    def make(subject: Subject, domain: Domain) -> FrameMethod:
        method = method_for(domain)
        if isinstance(method, PhotoMethod):
            if domain == "portraits" and method.refuse_drawn and not plan.force:
                raise PictureError(
                    "shows a drawn portrait: age it with `--weights nano`", status="skipped"
                )
            method.refuse_drawn = False  # a clip is no picture that could be asked
            return PhotoFrames(method, subject, plan)
        assert isinstance(method, AlignedMethod)
        if not isinstance(method.ager, Reager):
            raise UsageError(
                "an AgeTransformer draws every frame by itself: the clip would flicker",
                hint="`--weights photo`, or a model of codes such as `sam` or a run",
            )
        return CodedFrames(method.ager, method, subject, plan)

    return make
