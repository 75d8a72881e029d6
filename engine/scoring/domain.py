"""Whether pictures are drawn portraits or photographs: they have different judges."""

from collections.abc import Iterable

import numpy as np
import torch

from engine.evaluators.domain import Domain, TrainingDomain
from engine.images.ranges import to_tensor
from engine.nets.assemble import time_machine
from engine.nets.nano.encoder import NanoEncoder
from engine.scoring.material import Source
from engine.weights.find import find_weights
from engine.weights.load import read_checkpoint

NANO = "nano"


@torch.inference_mode()
def domain_of(sources: Iterable[Source]) -> Domain:
    """`portraits` if the shipped encoder, which knows no others, is at home with most photos."""
    checkpoint = read_checkpoint(find_weights(NANO))
    encoder, limit = time_machine(checkpoint).psp, TrainingDomain.of(checkpoint).ood_threshold
    assert isinstance(encoder, NanoEncoder)
    assert limit is not None
    faces = [to_tensor(source.face(encoder.shape.size)) for source in sources]
    strange = [float(encoder.ood_score(face)) for face in faces]
    return "portraits" if float(np.median(strange)) <= limit else "photos"
