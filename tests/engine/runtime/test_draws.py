import torch

from engine.runtime.draws import Draws, seed_torch


def test_a_draw_belongs_to_its_seed_name_step_and_place():
    whole, part = Draws(3, 7, range(8)), Draws(3, 7, range(4, 8))
    for draw in (
        lambda d: d.uniform("a", 2, low=-1),
        lambda d: d.normal("a", 2, 3),
        lambda d: d.integers("a", 0, 1000, 2),
        lambda d: d.shuffled(5, batch=8),
    ):
        assert torch.equal(draw(whole)[4:], draw(part))
        assert torch.equal(draw(whole), draw(Draws(3, 7, range(8))))
    for other in (Draws(4, 7, range(8)), Draws(3, 8, range(8)), Draws(3, 7, range(8, 16))):
        assert not torch.equal(whole.uniform("a"), other.uniform("a"))
    assert not torch.equal(whole.uniform("a"), whole.uniform("b"))


def test_draws_are_distributed_as_they_say():
    draws = Draws(0, 0, range(4000))
    uniform, normal = draws.uniform("u", low=5, high=95), draws.normal("n")
    whole = draws.integers("i", 2, 5)
    assert (uniform.min() >= 5, uniform.max() < 95) == (True, True)
    assert abs(uniform.mean() - 50) < 1.5
    assert abs(normal.mean()) < 0.05
    assert abs(normal.std() - 1) < 0.05
    assert torch.bincount(whole).tolist()[:2] == [0, 0]
    assert torch.bincount(whole)[2:].min() > 1200
    assert (uniform.dtype, whole.dtype) == (torch.float32, torch.int64)


def test_an_epoch_shows_everything_once_and_the_next_in_another_order():
    count, batch = 24, 8
    seen = torch.cat([Draws(1, s, range(batch)).shuffled(count, batch=batch) for s in range(6)])
    first, second = seen[:24].tolist(), seen[24:].tolist()
    assert sorted(first) == sorted(second) == list(range(24))
    assert first != second


def test_the_stream_of_torch_is_a_function_of_seed_step_and_process():
    drawn = []
    for key in ((1, 2, 0), (1, 2, 0), (1, 3, 0), (1, 2, 1), (2, 2, 0)):
        seed_torch(*key)
        drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 4
