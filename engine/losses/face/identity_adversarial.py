from typing import ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from engine.core.numbers import Real
from engine.core.table import Table
from engine.losses.face.base import FACE_LOSSES, FaceLoss, PerSample
from engine.losses.face.context import required
from engine.losses.face.inputs import Direction, LossInputs
from engine.losses.face.views import Aggregate, check_view, resized_view

CROSS_ENTROPY, HINGE = 0.8, 0.2
LARGEST = 60.0  # exponent beyond which the sigmoid saturates in float32


class Confidence(Table):
    """Weigh a sample less the more confident the classifier is: a falling logistic curve."""

    threshold: Real = Field(default=0.9, gt=0, lt=1)
    """Probability of the person at which the weight is one half."""
    steepness: Real = Field(default=6.0, gt=0)


@FACE_LOSSES.register("identity_adversarial")
class IdentityAdversarial(FaceLoss):
    """Be classified as the person: focal cross entropy and a hinge on a classifier's logits.

    Focal as in Lin et al. 2017. Only `view` has a gradient; the views of `report` are metrics.
    """

    kind: Literal["identity_adversarial"] = "identity_adversarial"
    on: tuple[Direction, ...] = ("real",)
    gamma: Real = Field(default=0.0, ge=0)
    """Focusing parameter: larger values weigh confident samples less; 0 is cross entropy."""
    margin: Real = Field(default=0.0, ge=0)
    """By how much the logit of the person should exceed the other one."""
    view: str = "clean"
    report: str | None = None
    """Metric over several views, such as `mean(clean,flip)+0.5*min(jpeg75,blur0.6)`."""
    confidence: Confidence | None = None
    needs: ClassVar[frozenset[str]] = frozenset({"classifier"})

    @field_validator("view")
    @classmethod
    def _a_view(cls, view: str) -> str:
        return check_view(view)

    @field_validator("report")
    @classmethod
    def _an_expression(cls, report: str | None) -> str | None:
        if report is not None:
            Aggregate.parse(report)
        return report

    def per_sample(self, inputs: LossInputs) -> PerSample:
        logits = self._logits(inputs, self.view)
        log_person = logits.log_softmax(dim=1)[:, 1]
        person = log_person.exp()
        values = CROSS_ENTROPY * -((1 - person) ** self.gamma) * log_person
        values = values + HINGE * (self.margin - (logits[:, 1] - logits[:, 0])).relu()
        if self.confidence is not None:
            values = values * confidence_weight(person.detach(), self.confidence)
        metrics = {"person": person}
        if self.report is not None:
            metrics["report"] = self._report(inputs, Aggregate.parse(self.report), person)
        return PerSample(values, metrics)

    def _logits(self, inputs: LossInputs, view: str) -> Tensor:
        classifier = required(inputs.context.classifier, "classifier")
        return classifier(resized_view(inputs.output, view, classifier.size)).float()

    @torch.no_grad()
    def _report(self, inputs: LossInputs, report: Aggregate, person: Tensor) -> Tensor:
        return report(
            {
                view: person
                if view == self.view
                else self._logits(inputs, view).softmax(dim=1)[:, 1]
                for view in report.views
            }
        )


def confidence_weight(person: Tensor, confidence: Confidence) -> Tensor:
    """Weights (b,) in (0, 1) for probabilities (b,) of the person, 0.5 at the threshold."""
    middle = confidence.threshold
    slope = confidence.steepness / (middle * (1 - middle))
    return torch.sigmoid(((middle - person) * slope).clamp(-LARGEST, LARGEST))
