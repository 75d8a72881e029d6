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


@pytest.mark.parametrize("error", [0.0, 0.1, float("nan"), None])
def test_an_apple_gpu_is_used_only_where_it_agrees_with_the_processor(monkeypatch, error):
    right = self_test._chain(torch.device("cpu"))

    def chain(device):
        if device.type == "mps" and error is None:
            raise NotImplementedError("grid_sample")
        return right if device.type == "cpu" else right + error

    monkeypatch.setattr(self_test, "_chain", chain)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    device._apple_gpu_agrees.cache_clear()
    if error == 0.0:
        assert "agree with the processor's" in str(choose("auto"))
    else:
        assert choose("auto").device.type == "cpu"
        assert "computes otherwise" in str(choose("auto"))
        with pytest.raises(UsageError, match="does not compute what the processor does"):
            choose("mps")
    device._apple_gpu_agrees.cache_clear()


def test_the_processor_agrees_with_itself():
    assert self_test.agrees(torch.device("cpu"))


def test_a_lower_precision_is_an_option():
    assert choose("cpu", "bfloat16").dtype == torch.bfloat16


def test_work_for_the_processor_refuses_other_devices():
    require_cpu("auto", "detection")
    with pytest.raises(UsageError, match="runs on the processor"):
        require_cpu("cuda", "detection")
