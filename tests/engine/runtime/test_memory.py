import pytest
import torch

from engine.runtime.memory import in_batches


def greedy(limit, sizes):
    """Work that has room for `limit` items."""

    def work(items):
        sizes.append(len(items))
        if len(items) > limit:
            raise torch.OutOfMemoryError("no room")
        return [item * 10 for item in items]

    return work


def test_results_come_in_order_and_the_batch_shrinks_to_what_fits():
    sizes, shrunk_to = [], []
    results = list(in_batches(greedy(2, sizes), list(range(10)), batch=8, shrunk=shrunk_to.append))
    assert results == [item * 10 for item in range(10)]
    assert sizes == [8, 4, 2, 2, 2, 2, 2]
    assert shrunk_to == [4, 2]


def test_one_item_that_does_not_fit_is_out_of_memory():
    with pytest.raises(MemoryError, match="single picture"):
        list(in_batches(greedy(0, []), [1, 2], batch=4))


def test_nothing_to_do_is_nothing_done():
    assert list(in_batches(greedy(1, []), [], batch=4)) == []


def test_other_errors_pass():
    def broken(items):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(in_batches(broken, [1], batch=1))
