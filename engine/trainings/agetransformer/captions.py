"""The captions of the faces of a training, as embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.core.atomic import write_json
from engine.core.digest import file_sha256, settings_digest
from engine.core.errors import UsageError
from engine.core.jsontext import from_json
from engine.core.places import cache_folder
from engine.core.progress import Progress, reported
from engine.core.regular import read_text
from engine.data.captions import read_captions


@dataclass(frozen=True, slots=True, eq=False)
class FaceCaptions:
    """Embeddings of pictures and captions, (N, d) float16 each, and their rows by face.

    rows: (n,) int64, -1 for a face without a caption.
    """

    image: Tensor
    text: Tensor
    rows: Tensor

    def at(self, faces: Tensor) -> Tensor:
        """Faces (b,) to [image; text; mask] (b, 2 d + 1) in float32, zeros without a caption."""
        rows = self.rows[faces]
        row, ones = rows.clamp(min=0), torch.ones(len(rows), 1)
        values = torch.cat([self.image[row].float(), self.text[row].float(), ones], dim=1)
        return values.masked_fill((rows < 0)[:, None], 0.0)


def find_captions(names: Sequence[str], folder: Path, progress: Progress) -> FaceCaptions:
    """The captions of faces in a folder of captions, matched by the contents of their files.

    UsageError if no face has a caption.
    """
    cache = read_captions(folder)
    rows = [cache.rows.get(digest, -1) for digest in content_digests(names, progress)]
    known = sum(row >= 0 for row in rows)
    if not known:
        raise UsageError(
            f"`{folder}` has no caption for any of the {len(rows)} faces",
            hint="write them by `tm relabel --captions` from the very files that are trained on",
        )
    progress.remark(f"{known} of {len(rows)} faces have a caption")
    return FaceCaptions(cache.image, cache.text, torch.tensor(rows))


def content_digests(names: Sequence[str], progress: Progress) -> list[str]:
    """SHA-256 of every file, cached until one changes."""
    files = [(str(Path(name).resolve()), Path(name).stat().st_mtime_ns) for name in names]
    file = cache_folder() / "digests" / f"{settings_digest({'files': files})}.json"
    if file.exists():
        return from_json(read_text(file))
    digests: list[str] = []
    with reported(progress, "Matching captions", len(names)):
        for name in names:
            digests.append(file_sha256(Path(name)))
            progress.advance(Path(name).name)
    write_json(file, digests)
    return digests
