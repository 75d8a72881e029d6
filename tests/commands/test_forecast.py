"""The forecast of a training, without weights or data."""

import pytest

GENERATOR = 30_370_060


def test_both_stages_are_forecast_without_weights_photos_or_bank(tm):
    result = tm("train", "--recipe", "two_stage", "--dry-run", "--json").json
    first, second = result["phases"]
    assert (first["steps"], second["steps"]) == (40_000, 20_000)
    assert first["trainable"] == ["trained_encoder", "adapter", "decoder"]
    assert second["trainable"] == ["adapter", "decoder"]
    assert first["parameters"] > second["parameters"] > GENERATOR
    assert result["memory_bytes"] > 4 * first["parameters"] * 4
    assert result["disk_bytes"] > result["memory_bytes"]
    missing, uncounted, data = result["remarks"]
    assert "`sam`" in missing
    assert "1024 px" in missing
    assert "are not counted" in uncounted
    assert data == "the training needs `photos`, `bank`"


def test_schedules_are_listed_by_phase_and_weight(tm):
    result = tm("train", "--recipe", "two_stage", "--dry-run", "--json").json["schedules"]
    rates = result["stage2: rate"]
    assert max(rates) == rates[1] == pytest.approx(2.63e-5, rel=0.01)
    assert rates[-1] == pytest.approx(5e-7)
    assert result["roi_id: weight"] == [0.05, 0.05, 0.07, 0.05, 0.05]
    assert "identity: weight" not in result, "what never changes is no schedule"
    shown = tm("train", "--recipe", "two_stage", "--dry-run")
    assert "roi_id: weight" in shown.out
    assert "GiB" not in shown.out


def test_shipped_weights_are_counted(tm):
    result = tm("train", "--recipe", "nano/two_stage", "--dry-run", "--json").json
    assert result["remarks"] == ["the training needs `photos`"]
    assert result["memory_bytes"] < 1 << 28


def test_a_full_fine_tune_has_no_adapter(tm):
    (phase,) = tm("train", "--recipe", "nano/full", "--dry-run", "--json").json["phases"]
    both = tm("train", "--recipe", "nano/stage1", "--dry-run", "--json").json["phases"][0]
    assert phase["trainable"] == ["trained_encoder", "decoder"]
    assert phase["parameters"] < both["parameters"]


def test_a_wrong_file_is_an_error(tm, tmp_path):
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"no weights")
    for start, code in ((wrong, 4), (tmp_path, 4), ("nobody_knows", 2)):
        result = tm("train", "--recipe", "nano/stage1", "--from", start, "--dry-run")
        assert result.code == code, start
        assert "1024 px" not in result.out + result.err


@pytest.mark.parametrize("option", ["--photos", "--bank"])
def test_data_that_is_not_there_is_a_fault_before_anything_is_shown(tm, tmp_path, option):
    argv = ("train", "--recipe", "nano/two_stage", option, tmp_path / "gone", "--dry-run")
    result = tm(*argv)
    assert (result.code, result.out) == (2, "")
    assert "`" + str(tmp_path / "gone") + "` does not exist" in result.err
    (tmp_path / "gone").mkdir()
    result = tm(*argv)
    assert "stage1" in result.out, "what it costs is shown"
    assert result.code in (2, 3, 4), "and that it would not begin"


@pytest.mark.parametrize(
    ("recipe", "options", "from_nothing"),
    [
        ("nano/two_stage", "--photos DIR", True),
        ("nano/person_classifier", "--photos DIR --set impostors=", False),
    ],
)
def test_what_is_missing_is_said_with_what_to_type(tm, recipe, options, from_nothing):
    result = tm("train", "--recipe", recipe)
    assert result.code == 2
    assert f"type `tm train --recipe {recipe} {options}" in result.err
    assert ("with nothing at hand, `tm prep synth me" in result.err) == from_nothing
