"""Adam, AdamW, SGD and Ranger as recipe tables."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field
from torch.optim import SGD, Adam, AdamW, Optimizer

from engine.core.numbers import Real
from engine.training.optimizers.base import OPTIMIZERS, OptimizerChoice
from engine.training.optimizers.ranger import Ranger


@OPTIMIZERS.register("adam")
class AdamChoice(OptimizerChoice):
    """Adam (Kingma and Ba 2015), fused."""

    kind: Literal["adam"] = "adam"
    betas: tuple[float, float] = (0.9, 0.99)
    """Memory of gradients and of their squares."""
    eps: Real = Field(default=1e-8, gt=0)
    """Added to the denominator."""

    def build(self, groups: Sequence[dict[str, Any]]) -> Optimizer:
        return Adam(groups, betas=self.betas, eps=self.eps, fused=True)


@OPTIMIZERS.register("adamw")
class AdamWChoice(OptimizerChoice):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), fused."""

    kind: Literal["adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.99)
    """Memory of gradients and of their squares."""
    eps: Real = Field(default=1e-8, gt=0)
    """Added to the denominator."""
    weight_decay: Real = Field(default=1e-2, ge=0)
    """Pull of all weights towards 0."""

    def build(self, groups: Sequence[dict[str, Any]]) -> Optimizer:
        return AdamW(
            groups, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=True
        )


@OPTIMIZERS.register("sgd")
class SgdChoice(OptimizerChoice):
    """Stochastic gradient descent."""

    kind: Literal["sgd"] = "sgd"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: Real = Field(default=0.0, ge=0)

    def build(self, groups: Sequence[dict[str, Any]]) -> Optimizer:
        return SGD(groups, momentum=self.momentum, weight_decay=self.weight_decay)


@OPTIMIZERS.register("ranger")
class RangerChoice(OptimizerChoice):
    """Rectified Adam with lookahead and centred gradients."""

    kind: Literal["ranger"] = "ranger"
    betas: tuple[float, float] = (0.95, 0.999)
    """Memory of gradients and of their squares."""
    eps: Real = Field(default=1e-5, gt=0)
    """Added to the denominator."""
    weight_decay: Real = Field(default=0.0, ge=0)
    """Pull of all weights towards 0."""
    k: int = Field(default=6, ge=1)
    """Fast steps of Lookahead per slow one."""
    alpha: float = Field(default=0.5, ge=0, le=1)
    """How far the slow weights follow the fast ones."""
    centred: bool = True
    """Subtract the mean of each gradient."""

    def build(self, groups: Sequence[dict[str, Any]]) -> Optimizer:
        return Ranger(
            groups,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            k=self.k,
            alpha=self.alpha,
            centred=self.centred,
        )
