"""Pictures to measure: a few people of the portrait world, in two photographs at three ages."""

import numpy as np
import pytest
import torch

from engine.core.progress import Silence
from engine.data.portraits import PortraitPlan, rendered
from engine.metrics.album import albums, tensor

AGES = (12.0, 45.0, 80.0)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Two albums of six people, 96 px."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TM_CACHE", str(tmp_path_factory.mktemp("portraits")))
        plan = PortraitPlan(first=902_000, people=6, scenes=2, fixed=AGES, size=96)
        return albums(rendered(plan, Silence()))


@pytest.fixture(scope="session")
def faces(photographs):
    """Adults as float (6, 3, 96, 96) in [-1, 1]."""
    return tensor(photographs[0].pictures[:, 1])


@pytest.fixture
def noise():
    generator = torch.Generator().manual_seed(7)

    def drawn(*shape):
        return torch.randn(shape, generator=generator)

    return drawn


@pytest.fixture
def rng():
    return np.random.default_rng(5)
