"""Which model ages what: the one that was asked for, or one for each kind of picture."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.digest import settings_digest
from engine.core.errors import UsageError
from engine.core.places import weights_folder
from engine.core.progress import Progress
from engine.evaluators.photographs import weights_here
from engine.inference.ager import Ager
from engine.inference.aligned_method import AlignedMethod
from engine.inference.anchored import AnchorAger, anchors_of
from engine.inference.by_kind import MethodByKind
from engine.inference.choose import ager_of
from engine.inference.edit import Edit
from engine.inference.folder import Method
from engine.inference.photo_method import MODEL, PhotoMethod, require_targets
from engine.inference.plan import InferPlan
from engine.inference.recipe import InferRecipe
from engine.nets.assemble import stamp_of
from engine.photo.model import KIND as PHOTO_KIND
from engine.photo.personal import load_model as load_photo_model
from engine.runtime.device import Compute
from engine.weights.checkpoint import Checkpoint
from engine.weights.find import find_weights, shipped_weights, unchosen
from engine.weights.folder import instructions_for, weights_file
from engine.weights.load import read_checkpoint
from engine.weights.manifest import known_weights

NANO, SAM = "nano", "sam"


@dataclass(slots=True)
class Models:
    """The weights of a request: files by model, and lines that say which models were used.

    asked: what `--weights` named, None for one model for each kind of picture; file: its file;
    checkpoint: what is in it, None for the photo model.
    """

    asked: str | None
    recipe: InferRecipe
    compute: Compute
    progress: Progress
    file: Path | None = None
    checkpoint: Checkpoint | None = None
    lines: list[str] = field(default_factory=list[str])
    agers: list[Ager] = field(default_factory=list[Ager])

    @classmethod
    def of(
        cls, asked: str | None, recipe: InferRecipe, compute: Compute, progress: Progress
    ) -> "Models":
        """Find the weights of a request; WeightsError for weights that cannot be used."""
        models = cls(asked, recipe, compute, progress)
        if asked is not None:
            models.file = shipped_weights()[MODEL] if asked == MODEL else find_weights(asked)
            checkpoint = read_checkpoint(models.file)
            models.checkpoint = None if checkpoint.kind == PHOTO_KIND else checkpoint
        return models

    @property
    def stamp(self) -> str:
        """Changes whenever a file of weights or the recipe does."""
        shipped = shipped_weights()
        files = [self.file] if self.file is not None else [self._for_photographs(), shipped[NANO]]
        weights = " ".join(stamp_of(file) for file in files)
        return settings_digest({"weights": weights, "recipe": self.recipe.dump()})

    @property
    def small(self) -> bool:
        """Whether only the small models of the package are used, by whatever photo."""
        return self.checkpoint is None and (self.asked is not None or not weights_here(SAM))

    def ages(self, requested: tuple[float, ...] | None) -> tuple[float, ...]:
        """The requested ages, else the anchors of an AgeTransformer; UsageError for neither."""
        if requested is not None:
            if self.asked is not None and self.checkpoint is None:
                require_targets(requested)
            return requested
        if self.checkpoint is None:
            raise UsageError("no target age was given", hint="write them as `20,40,60`")
        return anchors_of(self.checkpoint).years

    def require_readable(self) -> None:
        """WeightsError for weights that are loaded once a picture needs them, and are damaged."""
        if self.asked is None and weights_here(SAM):
            read_checkpoint(weights_file(SAM))

    def forecast(self) -> list[str]:
        """The lines that a run may print."""
        if self.asked is None:
            return [self._photograph_line(), f"drawn portraits by `{NANO}`, in the package"]
        return [self._asked_line()]

    def method(self, plan: InferPlan, strength: float) -> Method:
        """What ages the photos of a plan; the lines grow as models come to be used."""
        if self.asked is None:
            drawn = self._drawn(plan, strength)
            photographs = self._photographs(plan, strength)
            return MethodByKind({"portraits": drawn, "photos": photographs})
        assert self.file is not None
        self.lines.append(self._asked_line())
        if self.checkpoint is None:
            return self._photo_method(self.file, plan, refuse_drawn=True)
        return self._aligned(self.checkpoint, plan, strength, Path(self.asked).name)

    def _photographs(self, plan: InferPlan, strength: float) -> Callable[[], Method]:
        def make() -> Method:
            self.lines.append(self._photograph_line())
            if weights_here(SAM):
                checkpoint = read_checkpoint(weights_file(SAM))
                return self._aligned(checkpoint, plan, strength, SAM)
            return self._photo_method(shipped_weights()[MODEL], plan, refuse_drawn=False)

        return make

    def _drawn(self, plan: InferPlan, strength: float) -> Callable[[], Method]:
        def make() -> Method:
            self.lines.append(f"drawn portraits by `{NANO}`, in the package")
            return self._aligned(read_checkpoint(shipped_weights()[NANO]), plan, strength, NANO)

        return make

    def _photo_method(self, file: Path, plan: InferPlan, *, refuse_drawn: bool) -> PhotoMethod:
        recipe = self.recipe
        if recipe.edit != Edit() or recipe.noise != "stored":
            raise UsageError(
                "the photo model changes the photograph itself: there are no codes to edit and "
                "there is no noise",
                hint="leave the recipe's `edit` and `noise` as they are",
            )
        if recipe.truth is not None:
            self.progress.remark("`truth` is compared with drawn portraits only: not used here")
        if self.compute.device.type != "cpu":
            self.progress.remark(
                f"the photo model runs on the processor, not on `{self.compute.device.type}`"
            )
        return PhotoMethod(load_photo_model(file), plan, self.progress, refuse_drawn=refuse_drawn)

    def _aligned(
        self, checkpoint: Checkpoint, plan: InferPlan, strength: float, name: str
    ) -> AlignedMethod:
        progress = self.progress
        ager = ager_of(
            checkpoint,
            self.compute,
            edit=self.recipe.edit,
            strength=strength,
            noise=self.recipe.noise,
            batch=self.recipe.batch,
            shrunk=lambda n: progress.remark(
                f"memory ran out: continuing with {n} pictures at once"
            ),
        )
        if isinstance(ager, AnchorAger):
            for age in ager.beyond(plan.ages):
                progress.remark(
                    f"the age {age:g} lies beyond the anchors: the nearest one is drawn"
                )
        if plan.age is not None:
            progress.remark(f"`{name}` does not use the age that the person has in the photo")
        self.agers.append(ager)
        return AlignedMethod(ager, plan, model=name)

    def _asked_line(self) -> str:
        if self.checkpoint is None and self.asked == MODEL:
            return f"model `{MODEL}`, in the package{_better()}"
        assert self.file is not None
        remark = unchosen(self.file)
        return f"model `{self.asked}`" + (f"; {remark}" if remark else "")

    def _photograph_line(self) -> str:
        if weights_here(SAM):
            return f"photographs by `{SAM}`, from the weights folder"
        return f"photographs by `{MODEL}`, in the package{_better()}"

    def _for_photographs(self) -> Path:
        return weights_file(SAM) if weights_here(SAM) else shipped_weights()[MODEL]


def _better() -> str:
    """Where `sam` is from, unless it is here."""
    if weights_here(SAM):
        return f"; better for photographs: `--weights {SAM}`, which is here"
    return f"; better: `{SAM}` ({instructions_for(known_weights(weights_folder())[SAM])})"
