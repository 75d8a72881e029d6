import pytest
import torch

from engine.core.errors import UsageError
from engine.runtime.device import choose, require_cpu


def test_auto_says_what_it_took():
    compute = choose("auto")
    assert compute.device.type in str(compute)
    assert "float32" in str(compute)


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in ("cuda", "mps"):
        with pytest.raises(UsageError, match=f"there is no `{device}` device"):
            choose(device)
    assert choose("auto").device.type == "cpu"


def test_an_apple_gpu_says_that_it_was_not_tested(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert "is untested" in str(choose("auto"))


def test_a_lower_precision_is_an_option():
    assert choose("cpu", "bfloat16").dtype == torch.bfloat16


def test_work_for_the_processor_refuses_other_devices():
    require_cpu("auto", "detection")
    with pytest.raises(UsageError, match="runs on the processor"):
        require_cpu("cuda", "detection")
