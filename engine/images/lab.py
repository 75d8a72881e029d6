"""CIELAB of sRGB pictures (IEC 61966-2-1, white D65), with the constants of OpenCV."""

import torch
from torch import Tensor

# Linear sRGB to XYZ, and the white they share: those OpenCV and DDColor's training use.
TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.950456, 1.0, 1.088754)
# Below this share of the white the cube root gives way to a line (CIE 15, section 8.2.1).
KNEE = (6 / 29) ** 3
SLOPE, OFFSET = 7.787, 16 / 116


def to_lab(rgb: Tensor) -> Tensor:
    """sRGB (b, 3, h, w) in [-1, 1] to L in 0..100 and a, b in about -128..127, same shape."""
    value = (rgb.float() + 1) / 2
    linear = torch.where(
        value > 0.04045, ((value.clamp(min=0) + 0.055) / 1.055) ** 2.4, value / 12.92
    )
    xyz = _mixed(linear.new_tensor(TO_XYZ), linear) / _planes(linear, WHITE)
    root = torch.where(xyz > KNEE, xyz.clamp(min=KNEE) ** (1 / 3), SLOPE * xyz + OFFSET)
    x, y, z = root.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def from_lab(lab: Tensor) -> Tensor:
    """L, a, b (b, 3, h, w) to sRGB in [-1, 1]; colours that sRGB lacks are clipped."""
    light, a, b = lab.float().unbind(dim=1)
    y = (light + 16) / 116
    root = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    xyz = torch.where(root**3 > KNEE, root**3, (root - OFFSET) / SLOPE)
    linear = _mixed(torch.linalg.inv(xyz.new_tensor(TO_XYZ)), xyz * _planes(xyz, WHITE))
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return (torch.where(linear > 0.0031308, curved, 12.92 * linear) * 2 - 1).clamp(-1, 1)


def _mixed(weights: Tensor, planes: Tensor) -> Tensor:
    # In half precision a colour would be off by several levels.
    with torch.autocast(planes.device.type, enabled=False):
        return torch.einsum("ij,bjhw->bihw", weights, planes)


def _planes(like: Tensor, values: tuple[float, ...]) -> Tensor:
    return like.new_tensor(values)[None, :, None, None]
