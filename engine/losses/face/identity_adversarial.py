from typing import ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from engine.core.numbers import Real
from engine.core.table import Table
from engine.losses.face.base import FACE_LOSSES, Each, FaceLoss
from engine.losses.face.context import given
from engine.losses.face.inputs import Direction, LossInputs
from engine.losses.face.views import Aggregate, known, shown

CROSS_ENTROPY, HINGE = 0.8, 0.2
LARGEST = 60.0  # exponent beyond which a weight no longer changes


class Confidence(Table):
    """Weigh a sample less where the classifier is sure already: a falling logistic curve."""

    threshold: Real = Field(default=0.9, gt=0, lt=1)
    """Probability of the person at which the weight is one half."""
    steepness: Real = Field(default=6.0, gt=0)


@FACE_LOSSES.register("identity_adversarial")
class IdentityAdversarial(FaceLoss):
    """Convince a classifier that knows the person: focal cross entropy and a hinge on its logits.

    Focal as in Lin et al. 2017. Only `view` teaches; the views of `report` are looked at without a
    gradient.
    """

    kind: Literal["identity_adversarial"] = "identity_adversarial"
    on: tuple[Direction, ...] = ("real",)
    gamma: Real = Field(default=0.0, ge=0)
    """How little a sample counts that is right already; 0 is plain cross entropy."""
    margin: Real = Field(default=0.0, ge=0)
    """By how much the logit of the person should exceed the other one."""
    view: str = "clean"
    report: str | None = None
    """What to report of other views, such as `mean(clean,flip)+0.5*min(jpeg75,blur0.6)`."""
    confidence: Confidence | None = None
    needs: ClassVar[frozenset[str]] = frozenset({"classifier"})

    @field_validator("view")
    @classmethod
    def _a_view(cls, view: str) -> str:
        return known(view)

    @field_validator("report")
    @classmethod
    def _an_expression(cls, report: str | None) -> str | None:
        if report is not None:
            Aggregate.parse(report)
        return report

    def each(self, trial: LossInputs) -> Each:
        logits = self._logits(trial, self.view)
        told = logits.log_softmax(dim=1)[:, 1]
        person = told.exp()
        values = CROSS_ENTROPY * -((1 - person) ** self.gamma) * told
        values = values + HINGE * (self.margin - (logits[:, 1] - logits[:, 0])).relu()
        if self.confidence is not None:
            values = values * doubt(person.detach(), self.confidence)
        about = {"person": person}
        if self.report is not None:
            about["report"] = self._reported(trial, Aggregate.parse(self.report), person)
        return Each(values, about)

    def _logits(self, trial: LossInputs, view: str) -> Tensor:
        classifier = given(trial.parts.classifier, "classifier")
        return classifier(shown(trial.output, view, classifier.size)).float()

    @torch.no_grad()
    def _reported(self, trial: LossInputs, report: Aggregate, person: Tensor) -> Tensor:
        return report(
            {
                view: person
                if view == self.view
                else self._logits(trial, view).softmax(dim=1)[:, 1]
                for view in report.views
            }
        )


def doubt(person: Tensor, confidence: Confidence) -> Tensor:
    """Weights (b,) in (0, 1) for probabilities (b,) of the person, 0.5 at the threshold."""
    middle = confidence.threshold
    slope = confidence.steepness / (middle * (1 - middle))
    return torch.sigmoid(((middle - person) * slope).clamp(-LARGEST, LARGEST))
