"""The same photograph at other ages, where it is rendered and so known."""

from collections.abc import Mapping
from pathlib import Path

from engine.core.errors import InputError, PictureError
from engine.data.manifest import read_manifest
from engine.faces.rotation import Pixels
from engine.images.reading import read_picture


def read_truth(folder: Path) -> Mapping[float, Pixels]:
    """The pictures of a folder by age in years.

    InputError where no age is known, or one age has two pictures.
    """
    pictures: dict[float, Pixels] = {}
    for row in read_manifest(folder):
        if not row.usable or row.output is None or row.age is None:
            continue
        if row.age in pictures:
            raise InputError(
                f"`{folder}` has two pictures of the age {row.age:g}",
                hint="the truth is one photograph at several ages: `tm prep synth --same-scene`",
            )
        try:
            pictures[row.age] = read_picture(folder / row.output).pixels
        except PictureError as error:
            raise InputError(f"the truth `{folder / row.output}` {error.reason}") from error
    if not pictures:
        raise InputError(f"`{folder}` has no picture whose age is known")
    return pictures
