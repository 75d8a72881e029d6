"""Ranger: rectified Adam with lookahead and centred gradients (version 20.4.11 of its author)."""

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

RECTIFIED_FROM = 5
"""Length of the moving average from which its variance can be rectified (Liu et al. 2020)."""


class Ranger(Optimizer):
    """RAdam with lookahead (Zhang et al. 2019) and gradient centralisation (Yong et al. 2020).

    lr: step size; betas, eps: of Adam; k, alpha: of Lookahead, the fast steps per slow one and how
    far the slow weights follow. State of a parameter: `step`, `exp_avg`, `exp_avg_sq`,
    `slow_buffer`.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-5,
        weight_decay: float = 0.0,
        k: int = 6,
        alpha: float = 0.5,
        centred: bool = True,
    ) -> None:
        if lr < 0 or eps <= 0 or k < 1 or not 0 <= alpha <= 1:
            raise ValueError("lr must be >= 0, eps > 0, k >= 1 and alpha within 0..1")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "k": k,
            "alpha": alpha,
            "centred": centred,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step; after every `k` steps the weights become the updated slow weights."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._step_group(group, params)
        return loss

    def _step_group(self, group: dict[str, Any], params: list[Tensor]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p] = {
                    "step": 0,
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                    "slow_buffer": p.clone(),
                }
        # Parameters may have had their first gradient at different steps: group by step count.
        by_step: dict[int, list[Tensor]] = {}
        for p in params:
            self.state[p]["step"] += 1
            by_step.setdefault(self.state[p]["step"], []).append(p)
        for step, together in by_step.items():
            self._step_together(group, together, step)

    def _step_together(self, group: dict[str, Any], params: list[Tensor], step: int) -> None:
        beta1, beta2 = group["betas"]
        grads = [_centred(p) if group["centred"] else _gradient(p) for p in params]
        averages = [self.state[p]["exp_avg"] for p in params]
        squares = [self.state[p]["exp_avg_sq"] for p in params]
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
        torch._foreach_mul_(averages, beta1)
        torch._foreach_add_(averages, grads, alpha=1 - beta1)
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - group["weight_decay"] * group["lr"])
        size, rectified = step_size(step, beta1, beta2)
        if rectified:
            scales = torch._foreach_sqrt(squares)
            torch._foreach_add_(scales, group["eps"])
            torch._foreach_addcdiv_(params, averages, scales, -size * group["lr"])
        else:
            torch._foreach_add_(params, averages, alpha=-size * group["lr"])
        if step % group["k"] == 0:
            slow = [self.state[p]["slow_buffer"] for p in params]
            torch._foreach_lerp_(slow, params, group["alpha"])
            torch._foreach_copy_(params, slow)


def step_size(step: int, beta1: float, beta2: float) -> tuple[float, bool]:
    """The rectified step size at a step from 1 on, and whether the variance is used at all."""
    longest = 2 / (1 - beta2) - 1
    decayed = beta2**step
    length = longest - 2 * step * decayed / (1 - decayed)
    corrected = 1 / (1 - beta1**step)
    if length < RECTIFIED_FROM:
        return corrected, False
    share = (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
    return sqrt((1 - decayed) * share) * corrected, True


def _gradient(p: Tensor) -> Tensor:
    assert p.grad is not None
    return p.grad


def _centred(p: Tensor) -> Tensor:
    """The gradient without its mean over all dimensions but the first; vectors stay as they are."""
    gradient = _gradient(p)
    if gradient.dim() < 2:
        return gradient
    return gradient - gradient.mean(dim=tuple(range(1, gradient.dim())), keepdim=True)
