"""What is exported as ONNX is what torch computes; needs the extra `onnx`."""

import json

import numpy as np
import pytest

from engine.app.onnx_export import export_onnx, require_onnx
from engine.core.errors import UsageError
from engine.core.single import require_free
from engine.weights.find import shipped_weights


def test_a_file_of_another_name_is_refused(tmp_path):
    with pytest.raises(UsageError, match="must end in `.onnx`"):
        require_onnx(tmp_path / "x.pt")


def test_without_the_packages_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.app.onnx_export.PACKAGES", ("no_such_package",))
    with pytest.raises(UsageError, match="ONNX needs no_such_package") as caught:
        require_onnx(tmp_path / "x.onnx")
    assert "tm-toolkit[onnx]" in str(caught.value.hint)


def test_the_graph_of_an_age_network_gives_its_years(tm, tmp_path):
    session_of = pytest.importorskip("onnxruntime").InferenceSession
    pytest.importorskip("onnxscript")
    file = tmp_path / "age.onnx"
    result = tm("weights", "export", "nano-age", file, "--format", "onnx", "--json")
    assert result.code == 0, result.err
    assert result.json["inputs"] == {"photo": [1, 3, 128, 128]}
    assert result.json["off_torch"] < 1e-3
    assert json.loads(file.with_suffix(".json").read_text())["sha256"] == result.json["sha256"]
    session = session_of(str(file), providers=["CPUExecutionProvider"])
    (years,) = session.run(None, {"photo": np.zeros((1, 3, 128, 128), np.float32)})
    assert 0 < float(years[0]) < 100
    require_free([file])  # its own, which a rerun may replace


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nano", "agetransformer", "landscapes", "nano-identity"])
def test_every_kind_of_network_has_a_graph(tmp_path, name):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    export = export_onnx(shipped_weights()[name], tmp_path / "x.onnx")
    assert export.difference < 1e-3
