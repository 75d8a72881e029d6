"""Goldens of the published networks, and small networks that need nothing from outside."""

import json
import zlib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.ops.upfirdn2d import fir_kernel

PARITY = Path(__file__).parents[4] / "shared" / "parity"
GAIN = {"agetransformer_d128": 1.0}  # of the stored blur; generators enlarge and store 4


class Parity:
    """`../shared/parity`: weights that follow from the key names, and what they must give."""

    def __init__(self):
        spec = spec_from_file_location("parity_fill", PARITY / "fill.py")
        self.fill = module_from_spec(spec)
        spec.loader.exec_module(self.fill)
        self.manifest = json.loads((PARITY / "manifest.json").read_text())
        self.golden = {}
        for name in ("sam", "fork", "mivolo", "agetransformer"):
            with np.load(PARITY / f"{name}.npz") as arrays:
                self.golden |= {key: torch.from_numpy(arrays[key]) for key in arrays}

    def state(self, network, rules):
        """The whole state dict of `network`, unlearned buffers zero, blur kernels the published."""
        layout = self.manifest[network]
        shapes = {key: tuple(shape) for key, (shape, kind) in layout.items() if kind == "float32"}
        filled = self.fill.weights(shapes, f"public:{network}", rules)
        state = {}
        for key, (shape, kind) in layout.items():
            if key.endswith(".kernel"):
                state[key] = fir_kernel((1, 3, 3, 1), gain=GAIN.get(network, 4.0))
            elif key in filled:
                state[key] = torch.from_numpy(np.asarray(filled[key]))
            else:
                state[key] = torch.zeros(shape, dtype=getattr(torch, kind))
        return state

    def image(self, size, channels=3):
        return torch.from_numpy(self.fill.image(size, "public", channels))

    def normal(self, seed, *shape):
        draw = np.random.RandomState(seed).standard_normal(shape)
        return torch.from_numpy(draw.astype(np.float32))

    def assert_golden(self, name, value, tolerance=1e-3):
        golden = self.golden[name]
        apart = (value.detach() - golden).abs().max() / golden.abs().max()
        assert value.shape == golden.shape
        assert apart <= tolerance, f"{name}: {apart:.2e} apart"

    def assert_layout(self, network, net):
        """The same keys in any order, the same shapes, the same types."""
        ours = {
            key: [list(value.shape), str(value.dtype).removeprefix("torch.")]
            for key, value in net.state_dict().items()
        }
        assert ours == self.manifest[network]


@pytest.fixture(scope="session")
def parity():
    if not PARITY.is_dir():
        pytest.skip("no shared goldens here")
    return Parity()


@pytest.fixture(autouse=True)
def _torch_seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _threads(request):
    """Small networks run on one thread: more only wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    if "parity" not in request.fixturenames:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def fill():
    """Make every parameter and statistic of a network a value of its own, from its key alone."""

    def run(net, spread=0.5):
        for key, value in net.state_dict().items():
            if value.is_floating_point() and not key.endswith("kernel"):
                seed = torch.Generator().manual_seed(zlib.crc32(key.encode()))
                noise = torch.randn(value.shape, generator=seed) * spread
                if key.endswith("running_var"):
                    value.copy_(1 + noise.abs())
                elif value.dim() <= 1:
                    value.add_(noise)
                else:
                    value.copy_(noise * 2)
        return net

    return run
