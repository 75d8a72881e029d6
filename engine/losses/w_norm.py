"""How far codes leave the middle of what a generator has learned."""

from torch import Tensor


def w_norm(w_plus: Tensor, centre: Tensor) -> Tensor:
    """Mean length of w+ (b, n_styles, style width) minus `centre` (n_styles, style width).

    Richardson et al. 2021 (pSp), equation 3; over the root of the count, so that codes of variance
    1 have about 1.
    """
    away = (w_plus - centre).float().flatten(1)
    return (away.norm(dim=1) / away.shape[1] ** 0.5).mean()
