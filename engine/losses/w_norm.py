"""Distance of latent codes from the latent average."""

from torch import Tensor


def w_norm(w_plus: Tensor, centre: Tensor) -> Tensor:
    """Mean length of w+ (b, n_styles, style width) minus `centre` (n_styles, style width).

    Richardson et al. 2021 (pSp), equation 3; divided by the root of the number of values, so that
    codes of variance 1 give about 1.
    """
    difference = (w_plus - centre).float().flatten(1)
    return (difference.norm(dim=1) / difference.shape[1] ** 0.5).mean()
