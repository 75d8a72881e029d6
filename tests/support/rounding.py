"""How far two float32 computations of one function may lie apart."""

from math import sqrt

import torch

EPSILON = torch.finfo(torch.float32).eps


def assert_equal_but_for_rounding(one, other, *, layers, fan_in, gain=1.0):
    """Compare two tensors that differ in the order of their sums alone.

    An instruction set, a number of threads and a batch size each choose an order. A sum of `fan_in`
    terms in another order differs by about sqrt(fan_in) roundings of relative size `EPSILON`, and
    those of `layers` sums in a row add up as a random walk (Higham 2002, section 2.8). gain: by how
    much the network enlarges a relative change of its features, 1 where every layer keeps the
    variance. The bound is relative to the largest value: small ones are differences of large ones.
    """
    tolerance = gain * sqrt(layers * fan_in) * EPSILON * float(other.detach().abs().max())
    torch.testing.assert_close(one, other, rtol=0, atol=tolerance)
