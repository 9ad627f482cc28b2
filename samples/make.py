#!/usr/bin/env python3
"""Makes samples/{brick,grass,gravel}: crops of free textures, a defect drawn on one of each.

Needs Python 3.11 or later with scikit-image==0.26.0, numpy==2.4.6 and Pillow==13.0.0; run it
anywhere: it writes beside itself. scikit-image carries the three 512 x 512 grey textures, all CC0
(see README.md). Each is cut into six crops that do not overlap: four good ones, one suspect that is
good as well, and one that gets the defect, painted at four times the resolution.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

HERE = Path(__file__).resolve().parent
OVER = 4  # supersampling


def crops(texture: np.ndarray, columns: int, rows: int) -> list[np.ndarray]:
    """The texture cut into columns x rows parts, row by row."""
    height, width = texture.shape[0] // rows, texture.shape[1] // columns
    return [
        texture[r * height : (r + 1) * height, c * width : (c + 1) * width].astype(float)
        for r in range(rows)
        for c in range(columns)
    ]


def noise(shape: tuple[int, int], cell: float, seed: int) -> np.ndarray:
    """Smooth noise, mean 0, standard deviation 1, with lumps of about `cell` pixels."""
    rng = np.random.default_rng(seed)
    field = np.zeros(shape)
    for octave in range(3):
        side = max(cell / 2**octave, 1)
        small = rng.normal(size=(int(shape[0] / side) + 3, int(shape[1] / side) + 3))
        big = Image.fromarray(small.astype(np.float32)).resize(
            (shape[1], shape[0]), Image.Resampling.BICUBIC
        )
        field += np.asarray(big) / 2**octave
    return (field - field.mean()) / field.std()


def canvas(shape: tuple[int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A black picture of OVER times the shape, and its pen."""
    image = Image.new("L", (shape[1] * OVER, shape[0] * OVER))
    return image, ImageDraw.Draw(image)


def cover(image: Image.Image, blur: float = 0.0) -> np.ndarray:
    """A canvas as shares of 0..1 at the photo's own size; `blur` in its pixels."""
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur * OVER))
    size = (image.width // OVER, image.height // OVER)
    return np.asarray(image.resize(size, Image.Resampling.BOX)) / 255.0


def cracked_brick(photo: np.ndarray) -> np.ndarray:
    """A crack across a brick, and the piece that broke off where it meets the joint."""
    rng = np.random.default_rng(3)
    points, width = [], []
    start, end = np.array([57.0, 100.0]), np.array([101.0, 164.0])
    across = np.array([-(end - start)[1], (end - start)[0]]) / np.hypot(*(end - start))
    offset = 0.0
    for t in np.linspace(0, 1, 40):
        offset = 0.75 * offset + rng.normal() * 1.3
        points.append(tuple((start + t * (end - start) + across * offset) * OVER))
        width.append((1.2 + 2.2 * t + 0.5 * rng.random()) * OVER)
    crack, pen = canvas(photo.shape)
    for a, b, w in zip(points, points[1:], width):
        pen.line([a, b], fill=255, width=int(w))
        pen.ellipse([b[0] - w / 2, b[1] - w / 2, b[0] + w / 2, b[1] + w / 2], fill=255)
    centre = end
    angles = np.linspace(0, 2 * np.pi, 15)[:-1]
    radii = rng.uniform(11.0, 18.0, angles.size)
    chip_points = [
        tuple((centre + r * np.array([np.cos(a) * 0.8, np.sin(a) * 1.25])) * OVER)
        for a, r in zip(angles, radii)
    ]
    chip, pen = canvas(photo.shape)
    pen.polygon(chip_points, fill=255)
    inside, line = cover(chip, 0.5), cover(crack, 0.3)
    # The fracture is lighter, rougher and lies lower: its upper left wall is in shadow.
    fracture = 132 + 13 * noise(photo.shape, 4, 5) + 6 * noise(photo.shape, 1.5, 6)
    wall = np.clip(inside - np.roll(inside, (2, 2), (0, 1)), 0, 1)
    lit = np.clip(inside - np.roll(inside, (-2, -2), (0, 1)), 0, 1)
    photo = photo + (fracture - photo) * inside
    photo = photo * (1 - 0.65 * wall) + 40 * lit
    lip = np.clip(np.roll(line, (1, 1), (0, 1)) - line, 0, 1) * (1 - inside)
    return photo * (1 - 0.8 * line * (1 - 0.6 * inside)) + 26 * lip


def bottle_cap(photo: np.ndarray) -> np.ndarray:
    """A crown cap in the grass: crimped rim, domed top, shadow, some blades across it."""
    height, width = photo.shape
    y, x = np.mgrid[0 : height * OVER, 0 : width * OVER] / OVER
    dx, dy = x - 150.0, (y - 82.0) / 0.86
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    rim = 29.0 + 1.3 * np.cos(21 * angle)
    shape = np.clip((rim - radius) * OVER * 0.7 + 0.5, 0, 1)
    light = -(dx + dy) / np.sqrt(2)  # from the upper left
    skirt = np.clip((radius - 22.5) / 4.0, 0, 1)
    shade = 182 + 1.2 * light + skirt * (42 * np.cos(21 * angle) - 40 + 0.9 * light)
    shade += 34 * np.exp(-((dx + 8) ** 2 + (dy + 8) ** 2) / 60)  # the sky in the dome
    shade -= 60 * np.exp(-((radius - 22.2) ** 2) / 1.8) * np.clip(0.6 - light / 30, 0.2, 1.4)
    shade -= 110 * np.clip(3.0 - np.abs(radius - 12.5), 0, 1) * (np.abs(np.sin(3 * angle)) > 0.25)

    def down(values: np.ndarray) -> np.ndarray:
        return values.reshape(height, OVER, width, OVER).mean((1, 3))

    share = down(shape)
    grain = 4 * noise(photo.shape, 1.0, 8) + 5 * noise(photo.shape, 7, 9)
    cap = np.clip(down(shade * shape) / np.maximum(share, 1e-6) + grain, 25, 240)
    shadow = np.asarray(
        Image.fromarray((255 * np.roll(share, (6, 5), (0, 1))).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(3)
        )
    )
    ground = photo * (1 - 0.55 * shadow / 255.0)
    # Blades at its lower left edge stand in front of it.
    smooth = np.asarray(
        Image.fromarray(photo.astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.5))
    )
    yy, xx = np.mgrid[0:height, 0:width]
    edge = np.clip((np.hypot(xx - 150.0, (yy - 82.0) / 0.86) - 20) / 3, 0, 1)
    side = np.clip((yy - 92.0 - 1.2 * (xx - 146.0)) / 8, 0, 1)
    blades = np.clip((smooth - 162) / 16, 0, 1) * edge * side
    share = share * (1 - blades)
    return ground + (cap - ground) * share


def oil_stain(photo: np.ndarray) -> np.ndarray:
    """Spilt oil: stones are dark where they are wet, and glisten."""
    height, width = photo.shape
    y, x = np.mgrid[0:height, 0:width]
    lumps = noise(photo.shape, 26, 12)

    def blot(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        distance = np.hypot((x - cx) / rx, (y - cy) / ry) * (1 + 0.16 * lumps)
        # Oil creeps along stones: what is bright stands out of it at the border.
        border = 1 - distance - 0.10 * (photo - photo.mean()) / photo.std()
        return np.clip(border * 5 + 0.5, 0, 1)

    wet = np.maximum.reduce(
        [blot(116, 86, 66, 46), blot(196, 122, 11, 8), blot(44, 42, 7, 6), blot(186, 50, 6, 6)]
    )
    dark = 6 + photo * 0.34
    gleam = np.clip((photo - 178) / 50, 0, 1) * 120
    return photo + (dark + gleam - photo) * 0.94 * wet


def write(folder: Path, name: str, photo: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    levels = np.clip(np.rint(photo), 0, 255).astype(np.uint8)
    Image.fromarray(levels).save(folder / name, optimize=True)


def main() -> None:
    # Name, texture, columns, rows, the good suspect, the one to be spoilt, how.
    for name, texture, columns, rows, fine, spoilt, defect in (
        ("brick", data.brick(), 3, 2, 1, 4, cracked_brick),
        ("grass", data.grass(), 2, 3, 5, 2, bottle_cap),
        ("gravel", data.gravel(), 2, 3, 2, 3, oil_stain),
    ):
        parts = crops(texture, columns, rows)
        folder = HERE / name
        good = [part for at, part in enumerate(parts) if at not in (fine, spoilt)]
        for at, part in enumerate(good):
            write(folder / "good", f"{at}.png", part)
        write(folder / "suspect", "good.png", parts[fine])
        write(folder / "suspect", f"{defect.__name__}.png", defect(parts[spoilt]))


if __name__ == "__main__":
    main()
