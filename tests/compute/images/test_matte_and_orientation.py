"""Transparent pixels are composed over the matte, and images stand upright."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from mi_ray.compute.images.decode import to_rgb
from tests.compute.images.made_files import COLOURS, RAMP8, RAMP16, exif, grey, noise, pixels, png, tiff

# Transparency


ALPHA = noise(6, 5)


def over(colours, alpha, matte):
    share = np.asarray(alpha, float)[:, :, None] / 255
    return colours * share + np.array(matte, float) * (1 - share)


def with_alpha(kind, path):
    """Colours (or greys) with alpha in a file; returns it and the colours."""
    greys, rgba = grey(COLOURS[:, :, 0]), np.dstack([COLOURS, ALPHA])
    match kind:
        case "rgba png" | "rgba webp" | "rgba tiff":
            suffix = kind.removeprefix("rgba ")
            options = {"lossless": True, "exact": True} if suffix == "webp" else {}
            Image.fromarray(rgba).save(path / f"a.{suffix}", **options)
            return path / f"a.{suffix}", COLOURS
        case "rgba png, 16 bits":
            return png(path / "a.png", rgba.astype(np.int64) * 257, depth=16, kind="rgba"), COLOURS
        case "grey png":
            return png(path / "a.png", rgba[:, :, [0, 3]], depth=8, kind="grey with alpha"), greys
        case "grey png, 16 bits":
            deep = rgba[:, :, [0, 3]].astype(np.int64) * 257
            return png(path / "a.png", deep, depth=16, kind="grey with alpha"), greys
        case "grey tiff":
            return tiff(path / "a.tif", rgba[:, :, [0, 3]], extra=(2,)), greys
        case "rgba tiff, 16 bits":
            deep = rgba.astype(np.uint16) * 257
            return tiff(path / "a.tif", deep, photometric=2, extra=(2,)), COLOURS
        case "palette png":
            indexed = Image.fromarray(np.arange(30, dtype=np.uint8).reshape(6, 5), "P")
            indexed.putpalette(COLOURS.tobytes())
            indexed.save(path / "a.png", transparency=ALPHA.tobytes())
            return path / "a.png", COLOURS
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "rgba png", "rgba webp", "rgba tiff", "rgba png, 16 bits", "rgba tiff, 16 bits", "grey png",
        "grey png, 16 bits", "grey tiff", "palette png",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("matte", "colour"), [("white", (255, 255, 255)), ("black", (0, 0, 0)), ("#204060", (32, 64, 96))]
)
def test_transparent_pixels_are_composed_over_the_matte(tmp_path, kind, matte, colour):
    path, colours = with_alpha(kind, tmp_path)
    np.testing.assert_allclose(pixels(path, matte=matte).astype(float), over(colours, ALPHA, colour), atol=1.01)


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_images_with_alpha_of_every_mode_in_memory_are_composed(mode):
    greys = np.tile(COLOURS[:, :, :1], 3)
    half = np.full((6, 5), 128, np.uint8)
    rgba = Image.fromarray(np.dstack([greys, half]))
    image = rgba.convert("LA").convert("La") if mode == "La" else rgba.convert(mode)
    np.testing.assert_allclose(np.asarray(to_rgb(image)).astype(float), over(greys, half, (255, 255, 255)), atol=2)


def test_white_is_the_matte_unless_said(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(path)
    assert (pixels(path) == 255).all()


def test_an_opaque_image_with_alpha_keeps_its_pixels(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.dstack([COLOURS, np.full((6, 5), 255, np.uint8)])).save(path)
    np.testing.assert_array_equal(pixels(path, matte="red"), COLOURS)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_grey_that_stands_for_transparent_becomes_the_matte(tmp_path, depth):
    top = 2**depth - 1
    levels = np.array([[0, top // 3 or 1, top]]) if depth > 1 else np.array([[0, 1]])
    for key in levels[0]:
        shown = pixels(png(tmp_path / "a.png", levels, depth=depth, key=int(key)), matte="#102030")
        for level, pixel in zip(levels[0], shown[0], strict=True):
            expected = (16, 32, 48) if level == key else (round(level * 255 / top),) * 3
            assert tuple(pixel) == expected


@pytest.mark.parametrize(("depth", "top"), [(8, 255), (16, 65535)])
def test_a_colour_that_stands_for_transparent_becomes_the_matte(tmp_path, depth, top):
    colours = np.array([[[top, 0, 0], [0, top, 0], [top, top, 0]]])
    shown = pixels(png(tmp_path / "a.png", colours, depth=depth, kind="rgb", key=(top, 0, 0)))
    np.testing.assert_array_equal(shown, [[[255, 255, 255], [0, 255, 0], [255, 255, 0]]])


@pytest.mark.parametrize("colours", [[(0, 0, 0), (200, 10, 10), (9, 9, 90)], [(0, 0, 0), (99, 99, 99), (7, 7, 7)]])
def test_a_transparent_gif_is_composed(tmp_path, colours):
    image = Image.new("P", (3, 1))
    image.putpalette([value for colour in colours for value in colour])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "a.gif", transparency=1)
    np.testing.assert_array_equal(pixels(tmp_path / "a.gif")[0], [colours[0], (255, 255, 255), colours[2]])


# Orientation


DOWN, RIGHT = np.meshgrid(np.linspace(40, 200, 16), np.linspace(40, 200, 24), indexing="ij")
UPRIGHT = np.stack([DOWN, RIGHT, (DOWN + RIGHT) / 2], axis=2).round().astype(np.uint8)


def stored(orientation):
    """The pixels as a camera stores them, so that a viewer shows `UPRIGHT`: the inverse of the EXIF transposition."""
    return {
        1: UPRIGHT, 2: UPRIGHT[:, ::-1], 3: UPRIGHT[::-1, ::-1], 4: UPRIGHT[::-1],
        5: UPRIGHT.transpose(1, 0, 2), 6: np.rot90(UPRIGHT), 7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(UPRIGHT, -1),
    }[orientation]  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "png of PIL", "webp", "tif", "tif of PIL", "avif"])
def test_the_orientation_of_exif_is_applied(tmp_path, kind, orientation):
    suffix, data = kind.partition(" ")[0], np.ascontiguousarray(stored(orientation))
    path = tmp_path / f"a.{suffix}"
    match kind:
        case "png":
            png(path, data, depth=8, kind="rgb", orientation=orientation)
        case "tif":
            tiff(path, data, photometric=2, orientation=orientation)
        case _:
            tags = Image.Exif()
            tags[0x0112] = orientation
            options = {"webp": {"lossless": True}, "jpg": {"quality": 95, "subsampling": 0}, "avif": {"quality": 100}}
            Image.fromarray(data).save(path, exif=tags, **options.get(suffix, {}))
    np.testing.assert_allclose(pixels(path).astype(float), UPRIGHT, atol=9 if suffix in ("jpg", "avif") else 0)


def test_orientation_is_applied_to_images_of_other_modes_too(tmp_path):
    path = png(tmp_path / "a.png", RAMP16, depth=16, orientation=6)
    np.testing.assert_array_equal(pixels(path), grey(np.rot90(RAMP8, -1)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["grey", "white is zero", "grey of 16 bits", "rgba", "cmyk"])
def test_a_turned_tiff_is_upright_whatever_its_mode(tmp_path, kind, orientation):
    data = np.ascontiguousarray(stored(orientation))
    opaque = np.full_like(data[:, :, :1], 255)
    path, expected = tmp_path / "a.tif", grey(UPRIGHT[:, :, 0])
    match kind:
        case "grey":
            tiff(path, data[:, :, 0], orientation=orientation)
        case "white is zero":
            tiff(path, 255 - data[:, :, 0], photometric=0, orientation=orientation)
        case "grey of 16 bits":
            tiff(path, data[:, :, 0].astype(np.uint16) * 257, orientation=orientation)
        case "rgba":
            tiff(path, np.dstack([data, opaque]), photometric=2, extra=(2,), orientation=orientation)
            expected = UPRIGHT
        case "cmyk":
            tiff(path, np.dstack([255 - data, 255 - opaque]), photometric=5, orientation=orientation)
            expected = UPRIGHT
    np.testing.assert_array_equal(pixels(path), expected)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_changes_nothing(tmp_path, orientation):
    np.testing.assert_array_equal(pixels(png(tmp_path / "a.png", RAMP8, depth=8, orientation=orientation)), grey(RAMP8))


@pytest.mark.parametrize("content", [b"Exif\0\0rubbish", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0"])
def test_exif_that_cannot_be_read_changes_nothing(tmp_path, content):
    image = Image.fromarray(UPRIGHT)
    image.save(tmp_path / "plain.jpg", quality=95)
    image.save(tmp_path / "odd.jpg", quality=95, exif=content)
    np.testing.assert_array_equal(pixels(tmp_path / "odd.jpg"), pixels(tmp_path / "plain.jpg"))


def test_orientation_is_that_of_pil(tmp_path):
    Image.fromarray(UPRIGHT).save(tmp_path / "a.jpg", quality=95, exif=b"Exif\0\0" + exif(6))
    with Image.open(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(pixels(tmp_path / "a.jpg"), np.asarray(ImageOps.exif_transpose(image)))
