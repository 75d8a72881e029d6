"""Odd photographs, composed of one portrait that tests may use."""

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw
from skimage.data import astronaut

from engine.worlds import portraits

LEFT_EYE, RIGHT_EYE, NOSE, EYES = (203.0, 108.0), (245.0, 109.0), (222.0, 132.0), 42.0
"""Where the face of the astronaut is, in px, and the distance of the eyes."""


def negative():
    """A drawn portrait as a negative, in which HOG sees a face."""
    scene = portraits.scene(400_107, unaligned=1.0)
    return 255 - portraits.render(portraits.identity(400_107), 37.0, scene, 512).picture


def drawn():
    """A drawn portrait as a snapshot."""
    scene = portraits.scene(902_300, unaligned=1.0)
    return portraits.render(portraits.identity(902_300), 40.0, scene, 512).picture


def grey(pixels):
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def turned(pixels, degrees):
    matrix = cv2.getRotationMatrix2D(NOSE, degrees, 1)
    return cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def shrunk(pixels, width):
    """So that the eyes are `width` px apart."""
    return cv2.resize(pixels, None, fx=width / EYES, fy=width / EYES, interpolation=cv2.INTER_AREA)


def with_sunglasses(pixels):
    picture = pixels.copy()
    for x, y in (LEFT_EYE, RIGHT_EYE):
        cv2.ellipse(picture, (int(x), int(y)), (18, 14), 0, 0, 360, (12, 12, 14), -1, cv2.LINE_AA)
    cv2.line(picture, (203, 106), (245, 107), (12, 12, 14), 3)
    return picture


def with_mask(pixels):
    picture = pixels.copy()
    outline = np.array([[180, 122], [222, 116], [264, 122], [258, 160], [222, 182], [186, 160]])
    cv2.fillPoly(picture, [outline.astype(np.int32)], (175, 205, 222), cv2.LINE_AA)
    return picture


def with_hat(pixels):
    picture = pixels.copy()
    cv2.ellipse(picture, (222, 66), (62, 52), 0, 180, 360, (60, 40, 30), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (222, 70), (90, 10), 0, 0, 360, (45, 30, 22), -1, cv2.LINE_AA)
    return picture


def with_veil(pixels):
    return (pixels * 0.45 + np.array([235, 230, 225]) * 0.55).astype(np.uint8)


def with_hand(pixels):
    picture = pixels.copy()
    for finger in range(4):
        centre = (240 + finger, 140 + finger * 11)
        cv2.ellipse(picture, centre, (32, 5), -12, 0, 360, (208, 165, 145), -1, cv2.LINE_AA)
    return picture


def beside(pixels):
    return np.hstack([pixels[:, 60:400], pixels[:, 400:60:-1]])


def noisy(pixels, spread):
    noise = np.random.default_rng(5).normal(0, spread, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def painted(pixels):
    return np.ascontiguousarray(cv2.stylization(pixels, sigma_s=40, sigma_r=0.4))


def carved(pixels):
    """Like a statue: pale, grey, without texture."""
    smooth = cv2.bilateralFilter(grey(pixels), 9, 40, 9)
    return np.clip(70 + smooth * 0.6, 0, 255).astype(np.uint8)


def panorama(pixels):
    wide = np.full((500, 8000, 3), (120, 130, 140), np.uint8)
    wide[100:400, 5200:5500] = pixels[:300, 80:380]
    return wide


def page():
    """A page of text."""
    picture = Image.new("RGB", (500, 700), (250, 250, 250))
    draw = ImageDraw.Draw(picture)
    for line in range(28):
        draw.text(
            (30, 20 + line * 22), "The quick brown fox jumps over the lazy dog. " * 2, fill=20
        )
    return np.asarray(picture)


PICTURES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda face: face,
    "grey": grey,
    "dark": lambda face: (face * 0.15).astype(np.uint8),
    "overexposed": lambda face: np.clip(face * 1.5 + 30.0, 0, 255).astype(np.uint8),
    "tiny": lambda face: shrunk(face, 24),
    "tilted": lambda face: turned(face, 30),
    "roll_45": lambda face: turned(face, 45),
    "upside_down": lambda face: face[::-1, ::-1],
    "sunglasses": with_sunglasses,
    "mask": with_mask,
    "two_faces": beside,
    "hat": with_hat,
    "veil": with_veil,
    "hand": with_hand,
    "blurred": lambda face: cv2.GaussianBlur(face, (0, 0), 2.5),
    "painting": painted,
    "statue": carved,
    "noise": lambda face: noisy(face, 20),
    "panorama": panorama,
    "thumbnail": lambda face: cv2.resize(face[:300, 80:380], (40, 40)),
    "half_a_face": lambda face: face[:, int(NOSE[0]) :],
    "squashed": lambda face: cv2.resize(face, (1400, 400)),
    "drawn": lambda face: drawn(),
    "negative": lambda face: negative(),
    "page": lambda face: page(),
    "only_noise": lambda face: noisy(np.full_like(face, 128), 70),
    "white": lambda face: np.full_like(face, 255),
}


def compose(folder: Path) -> None:
    """Write every odd photograph; those of odd formats show the plain one."""
    face = astronaut()
    for name, make in PICTURES.items():
        Image.fromarray(np.ascontiguousarray(make(face))).save(folder / f"{name}.png")
    plain = Image.fromarray(face)
    plain.save(folder / "jpeg_8.jpg", quality=8)
    plain.convert("CMYK").save(folder / "cmyk.jpg", quality=92)
    plain.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(folder / "palette.png")
    plain.save(folder / "film.gif", save_all=True, append_images=[plain.rotate(5)], duration=90)
    deep = grey(face)[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "grey_16_bit.png")
    alpha = Image.new("L", plain.size, 0)
    ImageDraw.Draw(alpha).ellipse((60, 0, 460, 500), fill=255)
    see_through = plain.copy()
    see_through.putalpha(alpha)
    see_through.save(folder / "transparent.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.rotate(90, expand=True).save(folder / "sideways.jpg", exif=exif, quality=92)
    whole = (folder / "cmyk.jpg").read_bytes()
    (folder / "cut_short.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / "letter.jpg").write_text("Dear Eve, no picture this time.")
