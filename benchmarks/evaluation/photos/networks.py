"""What networks see in a photograph, and how far it is to be believed.

`age-cc0` and `faceres` are in no fit, loss, gain or stopping rule of the photo model; `face-api`
sets its gain and is shown beside them. FaceRes and face-api take part where their weights are here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.core.errors import MissingWeightsError
from engine.experts.base import Expert, Faces
from engine.experts.kinds.age_cc0 import AgeCc0Table
from engine.experts.kinds.face_api import FaceApiTable
from engine.experts.kinds.faceres import FaceResTable
from engine.faces.boxes import grown
from engine.faces.descriptor import describe_face
from engine.faces.detect import Face
from engine.faces.fitting import cut, fit_points
from engine.images.ranges import to_tensor
from engine.nets.loading import frozen
from engine.nets.photos.age_cc0 import GENDER_SIZE, load_gender_cc0
from engine.nets.photos.age_cc0 import PADDING as GENDER_PADDING
from engine.nets.photos.crops import dlib_chip
from engine.nets.photos.faceres import PADDING, SIZE, FaceRes, load_faceres
from evaluation.photos.portraits import Cache, Portrait

INDEPENDENT = ("age-cc0", "faceres")
IN_THE_GAIN = ("face-api",)
TABLES = (AgeCc0Table(margins=(0.2,)), FaceResTable(), FaceApiTable(boxes=(1.2,)))
"""One view each, and its mirror image: `tm relabel` takes more, at four times the cost."""
BIN, RAREST = 5.0, 0.2
"""Years of a bin of ages, and the least share of the mean bin that a bin is taken to hold."""
Pixels = NDArray[np.uint8]


class Seen(NamedTuple):
    """Raw years by network, probability of a man, dlib's descriptor, FaceRes' features (1024,)."""

    years: dict[str, float]
    male: float
    descriptor: NDArray[np.float32]
    features: NDArray[np.float32] | None


class Line(NamedTuple):
    """Raw years to calibrated ones.

    own: the slope of raw years on true ones, of the people it was fitted to.
    """

    slope: float
    offset: float
    own: float

    @classmethod
    def fitted(cls, raw: NDArray[np.float64], true: NDArray[np.float64]) -> "Line":
        """The expected age given raw years (n,), if all ages were equally likely."""
        # polyfit weighs residuals, not their squares.
        slope, offset = np.polyfit(raw, true, 1, w=np.sqrt(even_weights(true)))
        return cls(float(slope), float(offset), float(np.polyfit(true, raw, 1)[0]))

    def years(self, raw: NDArray[np.floating]) -> NDArray[np.float64]:
        """Calibrated years (n,)."""
        return self.slope * np.asarray(raw, np.float64) + self.offset


def even_weights(ages: NDArray[np.floating]) -> NDArray[np.float64]:
    """Weights (n,), of mean 1, that make every bin of ages count about the same."""
    _, place, counts = np.unique(ages // BIN, return_inverse=True, return_counts=True)
    weights = 1 / np.maximum(counts, RAREST * counts.mean())[place]
    return weights / weights.mean()


class Networks:
    """The networks whose weights are here."""

    def __init__(self) -> None:
        self.experts: dict[str, Expert] = {}
        self.absent: list[str] = []
        for table in TABLES:
            try:
                self.experts[table.name] = table.load(torch.device("cpu"))
            except MissingWeightsError:
                self.absent.append(table.name)
        self.faceres: FaceRes | None = frozen(load_faceres()) if "faceres" in self.experts else None
        self.gender = frozen(load_gender_cc0())

    @property
    def names(self) -> list[str]:
        """The age networks that are here."""
        return list(self.experts)

    @torch.inference_mode()
    def see(self, pixels: Pixels, face: Face) -> Seen:
        """What they see in a photograph (h, w, 3) at a face's box; its points are fitted anew."""
        points = fit_points(pixels, face.box, rotation=face.rotation).astype(np.float32)
        described = describe_face(pixels, _with(face, points))
        patch, left, top = cut(pixels, grown(face.box, 1.0))
        inside = points - np.array([left, top], np.float32)
        faces = Faces([patch], [None], [inside])
        years = {name: float(net.predict(faces).years) for name, net in self.experts.items()}
        spots, picture = torch.from_numpy(inside)[None], to_tensor(patch)
        chip = dlib_chip(spots, GENDER_SIZE, GENDER_PADDING).cut(picture)
        features = None
        if self.faceres is not None:
            seen = self.faceres.features(dlib_chip(spots, SIZE, PADDING).cut(picture))
            features = seen[0].numpy().astype(np.float32)
        return Seen(years, float(self.gender.male(chip)), described, features)

    def estimator(self, name: str) -> Callable[[Pixels, NDArray[np.floating]], float]:
        """What one network sees: from a photograph (h, w, 3) and landmarks (68, 2) to years."""
        expert = self.experts[name]

        @torch.inference_mode()
        def years(pixels: Pixels, points: NDArray[np.floating]) -> float:
            faces = Faces([pixels], [None], [points.astype(np.float32)])
            return float(expert.predict(faces).years)

        return years

    def untouched(self, people: Sequence[Portrait], cache: Cache) -> list[Seen]:
        """What they see in portraits as they are."""
        names = "+".join(self.names)
        return [
            _from_arrays(
                cache.get(f"seen_{p.key}_{names}", lambda p=p: _arrays(self.see(p.pixels, p.face))),
                self.names,
            )
            for p in people
        ]


def _with(face: Face, points: NDArray[np.float32]) -> Face:
    return Face(face.box, face.score, points, face.detector, face.rotation, face.profile, face.yaw)


def _arrays(seen: Seen) -> dict[str, NDArray[Any]]:
    features = np.zeros(0, np.float32) if seen.features is None else seen.features
    return {
        "years": np.array(list(seen.years.values())),
        "male": np.array(seen.male),
        "descriptor": seen.descriptor,
        "features": features,
    }


def _from_arrays(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> Seen:
    years = dict(zip(names, arrays["years"].tolist(), strict=True))
    features = arrays["features"] if arrays["features"].size else None
    return Seen(years, float(arrays["male"]), arrays["descriptor"], features)
