from engine.app.doctor import Check, Diagnosis
from engine.core.errors import WeightsError


def test_doctor_finds_a_working_base(tm):
    result = tm("doctor", "--json")
    assert result.code == 0
    assert result.json["works"] is True
    names = {check["name"] for check in result.json["checks"]}
    assert {"python", "torch", "torchvision.ops", "device", "face detector"} <= names


def test_doctor_is_a_table_for_people(tm):
    result = tm("doctor")
    assert "nms runs" in result.out
    assert "weights folder" in result.out


def test_a_fault_breaks_the_base_and_a_note_does_not():
    assert Diagnosis((Check("a", "ok", ""), Check("b", "note", ""))).works
    assert not Diagnosis((Check("a", "ok", ""), Check("b", "fault", ""))).works


def test_doctor_exits_1_where_the_base_is_broken(tm, monkeypatch):
    monkeypatch.setattr("engine.app.doctor.CHECKS", (lambda: [Check("x", "fault", "no", "do")],))
    result = tm("doctor")
    assert result.code == 1
    assert "do" in result.out


def test_without_dlibs_points_the_face_mesh_is_named(monkeypatch):
    from engine.app import doctor

    def missing(purpose):
        raise WeightsError(f"{purpose} is not installed", hint="install it")

    monkeypatch.setattr("engine.faces.files.dlib_file", missing)
    results = {check.name: check.result for check in doctor.diagnose().checks}
    assert results["68 face points"] == "not found, the face mesh takes its place"
    assert results["identity descriptor"] == "not found"


def test_an_unwritable_folder_is_noted(monkeypatch):
    from engine.app import doctor

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    states = {check.name: check for check in doctor.diagnose().checks}
    assert states["this folder"].state == "note"
    assert "may not be written" in states["this folder"].result


def test_a_weights_folder_that_is_a_file_is_a_fault(tm, tmp_path):
    (tmp_path / "weights").touch()
    result = tm("doctor", "--json")
    assert result.code == 1
    (check,) = [one for one in result.json["checks"] if one["name"] == "weights folder"]
    assert (check["state"], "is a file" in check["result"]) == ("fault", True)
