import pytest
import torch

from engine.core.errors import UsageError
from engine.runtime import device, self_test
from engine.runtime.device import choose, require_cpu


def test_auto_says_what_it_took():
    compute = choose("auto")
    assert compute.device.type in str(compute)
    assert "float32" in str(compute)


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("cuda", "mps"):
        with pytest.raises(UsageError, match=f"there is no `{name}` device"):
            choose(name)
    assert choose("auto").device.type == "cpu"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (0.0, ""),
        (0.1, "differs from the processor by"),
        (float("nan"), "differs from the processor by nan"),
        (NotImplementedError("grid_sample"), "fails in a test of its operators: grid_sample"),
        (RuntimeError("out of\n memory"), "fails in a test of its operators: out of memory"),
    ],
)
def test_an_apple_gpu_is_used_only_where_it_agrees_with_the_processor(monkeypatch, error, reason):
    right = self_test._chain(torch.device("cpu"))

    def chain(device):
        if device.type == "mps" and isinstance(error, RuntimeError):
            raise error
        return right if device.type == "cpu" else right + error

    monkeypatch.setattr(self_test, "_chain", chain)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    device._fault_of_apple_gpu.cache_clear()
    if not reason:
        assert "agree with the processor's" in str(choose("auto"))
    else:
        assert choose("auto").device.type == "cpu"
        assert reason in str(choose("auto"))
        with pytest.raises(UsageError, match=reason):
            choose("mps")
    device._fault_of_apple_gpu.cache_clear()


def test_the_processor_agrees_with_itself():
    assert self_test.disagreement(torch.device("cpu")) is None


def test_a_lower_precision_is_an_option():
    assert choose("cpu", "bfloat16").dtype == torch.bfloat16


def test_work_for_the_processor_refuses_other_devices():
    require_cpu("auto", "detection")
    with pytest.raises(UsageError, match="runs on the processor"):
        require_cpu("cuda", "detection")
