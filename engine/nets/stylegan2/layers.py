"""Layers of StyleGAN2 with equalised learning rate (Karras et al. 2018, section 4.1; 2020, 2.2)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.ops.bias_act import GAIN, SLOPE, bias_act
from engine.ops.upfirdn2d import fir_kernel, upfirdn2d

BLUR = (1.0, 3.0, 3.0, 1.0)  # StyleGAN2, appendix B
DEMODULATION_EPSILON = 1e-8


class PixelNorm(nn.Module):
    """Scale every vector along the channels to mean square one."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """Linear layer whose stored weight is unit normal; the forward pass scales it.

    `rate` is the learning-rate multiplier; `active` appends the leaky ReLU and its gain.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rate: float = 1.0,
        start_bias: float = 0.0,
        active: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), start_bias))
        self.scale = rate / math.sqrt(inputs)
        self.rate = rate
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x, bias = x * self.scale, self.bias * self.rate
        if self.active:
            return bias_act(F.linear(x, self.weight), bias)
        return F.linear(x, self.weight, bias)


class Blur(nn.Module):
    """The smoothing filter beside a resampling; the kernel is stored with the weights."""

    kernel: Tensor

    def __init__(self, *, pad: tuple[int, int], down: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("kernel", fir_kernel(BLUR, gain=gain))
        self.pad = pad
        self.down = down

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn2d(x, self.kernel, down=self.down, pad=self.pad)


class Upsample(nn.Module):
    """Twice the size, by zero-insertion and the smoothing filter."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", fir_kernel(BLUR, gain=4.0))

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn2d(x, self.kernel, up=2, pad=(2, 1))


class ModulatedConv(nn.Module):
    """3x3 convolution whose input channels are scaled by a style (StyleGAN2, section 2.2).

    Scaling the weights and scaling the activations are the same map. A batch shares the stored
    weights and gets its inputs and outputs scaled: no weights per sample, no grouped convolution.
    A single large picture gets scaled weights instead: no further pass over its pixels.
    """

    def __init__(self, inputs: int, outputs: int, style_width: int, *, up: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, 3, 3))
        self.modulation = EqualLinear(style_width, inputs, start_bias=1.0)
        self.scale = 1 / math.sqrt(inputs * 9)
        self.blur = Blur(pad=(1, 1), gain=4.0) if up else None

    def forward(self, x: Tensor, style: Tensor, bias: Tensor) -> Tensor:
        """`GAIN * (modulated convolution of x + bias)`; `bias` is (outputs,)."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight[0]
            inward = self.modulation(style.to(weight.dtype)) * self.scale
            energy = inward.square() @ weight.square().sum(dim=(2, 3)).t()
            outward = torch.rsqrt(energy + DEMODULATION_EPSILON) * GAIN
            bias = bias * GAIN
        # With frozen weights, scaling them would cost a weight gradient only to reach the style.
        trains_style_alone = inward.requires_grad and not weight.requires_grad
        if len(x) == 1 and x.numel() > weight.numel() and not trains_style_alone:
            scaled = weight * inward[0, None, :, None, None] * outward[0, :, None, None, None]
            return self._convolve(x, scaled, bias)
        x = x * inward[:, :, None, None].to(x.dtype)
        y = self._convolve(x, weight, None)
        return torch.addcmul(
            bias.to(y.dtype)[None, :, None, None], y, outward[:, :, None, None].to(y.dtype)
        )

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.blur is None:
            return F.conv2d(x, weight, bias, padding=1)
        y = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        return y if bias is None else y.add_(bias.to(y.dtype)[None, :, None, None])


class Noise(nn.Module):
    """One learned strength for a plane of noise that all channels share."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Activation(nn.Module):
    """The bias in front of a leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return bias_act(x, self.bias)


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, style_width: int, *, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, style_width, up=up)
        self.noise = Noise()
        self.activate = Activation(outputs)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """`noise` is (1 or b, 1, h, w) of the output's size."""
        # The gain of the activation is positive: it moves in front, into weights and bias.
        y = self.conv(x, style, self.activate.bias)
        return F.leaky_relu_(y.add_((noise * (self.noise.weight * GAIN)).to(y.dtype)), SLOPE)


class ModulatedRGB(nn.Module):
    """1x1 modulated convolution to colour, without demodulation."""

    def __init__(self, inputs: int, style_width: int, colours: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, colours, inputs, 1, 1))
        self.modulation = EqualLinear(style_width, inputs, start_bias=1.0)
        self.scale = 1 / math.sqrt(inputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        with torch.autocast(x.device.type, enabled=False):
            inward = self.modulation(style.to(self.weight.dtype)) * self.scale
            weight = self.weight[0, :, :, 0, 0] * inward[:, None]
        rgb = torch.bmm(weight.to(x.dtype), x.reshape(batch, channels, height * width))
        return rgb.view(batch, -1, height, width)


class ToRGB(nn.Module):
    """The colours a resolution contributes, added to the enlarged picture so far.

    The sum keeps the precision of the parameters, also under autocast.
    """

    def __init__(self, inputs: int, style_width: int, *, colours: int = 3, up: bool = True) -> None:
        super().__init__()
        self.conv = ModulatedRGB(inputs, style_width, colours)
        self.bias = nn.Parameter(torch.zeros(1, colours, 1, 1))
        self.upsample = Upsample() if up else None

    def forward(self, x: Tensor, style: Tensor, picture: Tensor | None = None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            rgb = self.conv(x, style).to(self.bias.dtype) + self.bias
            if picture is not None and self.upsample is not None:
                rgb = rgb + self.upsample(picture)
        return rgb
