"""Every way that an image file can hold a picture gives the pixels that a viewer shows, or is refused by name."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from mi_ray.compute.decode import FORMATS, read_image, to_rgb
from mi_ray.compute.image_files import SUFFIXES
from tests.compute.image_files import exif, png, tiff

RAMP16 = np.linspace(0, 65535, 12 * 10).round().astype(np.uint16).reshape(12, 10)
RAMP8 = np.rint(RAMP16 / 257).astype(np.uint8)


def pixels(path, **options):
    image = read_image(path, "folder", **options)
    assert image.mode == "RGB"
    return np.asarray(image)


def grey(expected):
    return np.repeat(np.asarray(expected)[:, :, None], 3, axis=2)


def noise(*shape):
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


# Depth


def in_16_bits(kind, path):
    """The ramp from 0 to 65535 in a file."""
    match kind:
        case "png":
            return png(path / "a.png", RAMP16, depth=16)
        case "png of PIL":
            Image.fromarray(RAMP16).save(path / "a.png")
        case "tiff, little end first":
            return tiff(path / "a.tif", RAMP16)
        case "tiff, big end first":
            return tiff(path / "a.tif", RAMP16, order=">")
        case "tiff, LZW":
            Image.fromarray(RAMP16).save(path / "a.tif", compression="tiff_lzw")
        case "tiff, big end first, LZW":
            Image.frombytes("I;16B", (10, 12), RAMP16.astype(">u2").tobytes()).save(
                path / "a.tif", compression="tiff_lzw"
            )
        case "tiff, white is zero":
            return tiff(path / "a.tif", 65535 - RAMP16, photometric=0)
        case "tiff of 32 bits":
            Image.fromarray(RAMP16.astype(np.int32)).save(path / "a.tif")
        case "tiff of 32 bits, no sign":
            return tiff(path / "a.tif", RAMP16.astype(np.uint32))
        case "pgm":
            (path / "a.pgm").write_bytes(b"P5 10 12 65535\n" + RAMP16.astype(">u2").tobytes())
        case "pgm as text":
            (path / "a.pgm").write_text("P2 10 12 65535\n" + " ".join(map(str, RAMP16.flat)))
        case "jpeg 2000":
            Image.fromarray(RAMP16).save(path / "a.jp2")
    return next(path.glob("a.*"))


@pytest.mark.parametrize(
    "kind",
    [
        "png", "png of PIL", "tiff, little end first", "tiff, big end first", "tiff, LZW", "tiff, big end first, LZW",
        "tiff, white is zero", "tiff of 32 bits", "tiff of 32 bits, no sign", "pgm", "pgm as text", "jpeg 2000",
    ],
)  # fmt: skip
def test_16_bit_grey_is_scaled_to_8_bits(tmp_path, kind):
    np.testing.assert_array_equal(pixels(in_16_bits(kind, tmp_path)), grey(RAMP8))


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B", "I"])
def test_16_bit_images_of_every_mode_in_memory_are_scaled_to_8_bits(mode):
    image = Image.frombytes(mode, (10, 12), RAMP16.astype({"I": "<i4", "I;16B": ">u2"}.get(mode, "<u2")).tobytes())
    np.testing.assert_array_equal(np.asarray(to_rgb(image)), grey(RAMP8))


def test_12_bit_grey_is_scaled_by_its_own_depth(tmp_path):
    ramp = np.linspace(0, 4095, 120).round().astype(np.uint16).reshape(12, 10)
    np.testing.assert_array_equal(pixels(tiff(tmp_path / "a.tif", ramp, bits=12)), grey(np.rint(ramp / 4095 * 255)))


def test_a_pgm_is_scaled_by_the_greatest_value_it_states(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 1023\n" + np.array([0, 1023], ">u2").tobytes())
    np.testing.assert_array_equal(pixels(tmp_path / "a.pgm"), grey([[0, 255]]))


@pytest.mark.parametrize("kind", ["png", "tiff, little end first", "tiff, big end first"])
def test_16_bit_colour_is_scaled_to_8_bits_within_a_level(tmp_path, kind):
    colours = np.stack([RAMP16, RAMP16[::-1], 65535 - RAMP16], axis=2)
    if kind == "png":
        path = png(tmp_path / "a.png", colours, depth=16, kind="rgb")
    else:
        path = tiff(tmp_path / "a.tif", colours, photometric=2, order="<" if "little" in kind else ">")
    np.testing.assert_allclose(pixels(path).astype(float), colours / 257, atol=1)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_grey_of_few_bits_reaches_from_black_to_white(tmp_path, depth):
    levels = np.arange(2**depth)[None, :]
    expected = np.rint(levels * 255 / (2**depth - 1))
    np.testing.assert_array_equal(pixels(png(tmp_path / "a.png", levels, depth=depth)), grey(expected))


@pytest.mark.parametrize("photometric", [1, 0])
@pytest.mark.parametrize("order", "<>")
def test_floats_from_0_to_1_are_scaled_by_255(tmp_path, order, photometric):
    ramp = np.linspace(0, 1, 120, dtype=np.float32).reshape(12, 10)
    shown = ramp if photometric else 1 - ramp
    path = tiff(tmp_path / "a.tif", shown, sample_format=3, order=order, photometric=photometric)
    np.testing.assert_allclose(pixels(path).astype(float), grey(255 * ramp), atol=0.51)


def test_floats_of_a_pfm_are_scaled_by_255(tmp_path):
    (tmp_path / "a.pfm").write_bytes(b"Pf 2 1 -1.0\n" + np.array([0, 1], "<f4").tobytes())
    np.testing.assert_array_equal(pixels(tmp_path / "a.pfm"), grey([[0, 255]]))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0, 255.0], "has float values from 0 to 255; allowed: 0 to 1"),
        ([-1.5, 1], "has float values from -1.5 to 1; allowed: 0 to 1"),
        ([0, np.nan], "has float values that are NaN or infinite; allowed: 0 to 1"),
        ([0, np.inf], "has float values that are NaN or infinite; allowed: 0 to 1"),
    ],
)
def test_other_floats_are_refused_with_their_range(tmp_path, values, said):
    path = tiff(tmp_path / "a.tif", np.array([values], np.float32), sample_format=3)
    with pytest.raises(ValueError, match=f"^folder: {path} {said}$"):
        read_image(path, "folder")


@pytest.mark.parametrize(
    ("values", "dtype", "sample_format", "said"),
    [
        ([0, 70000], np.int32, 2, "has integer values from 0 to 70000; allowed: 0 to 65535"),
        ([0, 2**32 - 1], np.uint32, 1, "has integer values from .*; allowed: 0 to 65535"),
        ([-1, 5], np.int32, 2, "has integer values from -1 to 5; allowed: 0 to 65535"),
        ([-1, 5], np.int16, 2, "has integer values from -1 to 5; allowed: 0 to 32767"),
        ([0, 200], np.int32, 2, "has integer values from 0 to 200 in 32 bits; allowed: 8-bit or 16-bit files"),
    ],
)
def test_integers_of_unknown_scale_are_refused_with_their_range(tmp_path, values, dtype, sample_format, said):
    path = tiff(tmp_path / "a.tif", np.array([values], dtype), sample_format=sample_format)
    with pytest.raises(ValueError, match=f"^folder: {path} {said}$"):
        read_image(path, "folder")


# Transparency


COLOURS = noise(6, 5, 3)
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
    """The pixels as a camera stores them, so that a viewer shows `UPRIGHT`: the inverse of what EXIF asks for."""
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


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_changes_nothing(tmp_path, orientation):
    np.testing.assert_array_equal(pixels(png(tmp_path / "a.png", RAMP8, depth=8, orientation=orientation)), grey(RAMP8))


@pytest.mark.parametrize("content", [b"Exif\0\0rubbish", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0"])
def test_exif_that_cannot_be_read_changes_nothing(tmp_path, content):
    image = Image.fromarray(UPRIGHT)
    image.save(tmp_path / "plain.jpg", quality=95)
    image.save(tmp_path / "odd.jpg", quality=95, exif=content)
    np.testing.assert_array_equal(pixels(tmp_path / "odd.jpg"), pixels(tmp_path / "plain.jpg"))


# Other modes


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg"), ("CMYK", "tif"), ("YCbCr", "jpg"), ("YCbCr", "tif")])
def test_colour_spaces_become_rgb(tmp_path, mode, suffix):
    smooth = np.tile(np.linspace(20, 230, 16).astype(np.uint8)[None, :, None], (16, 1, 3))
    smooth[:, :, 1] = smooth[:, ::-1, 1]
    options = {"quality": 100, "subsampling": 0} if suffix == "jpg" else {}
    Image.fromarray(smooth).convert(mode).save(tmp_path / f"a.{suffix}", **options)
    np.testing.assert_allclose(pixels(tmp_path / f"a.{suffix}").astype(float), smooth, atol=4)


def test_the_inverted_cmyk_of_adobe_is_the_right_way_round(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (16, 16), (0, 0, 0, 200)).save(path, quality=95)
    assert b"Adobe" in path.read_bytes(), "PIL writes what Adobe does"
    np.testing.assert_allclose(pixels(path).astype(float), 55, atol=2)


@pytest.mark.parametrize("colour", [(200, 30, 40), (90, 140, 100), (128, 128, 128), (250, 250, 250)])
def test_lab_becomes_rgb(tmp_path, colour):
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (4, 4), colour), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )  # fmt: skip
    lab.save(tmp_path / "a.tif")
    np.testing.assert_allclose(pixels(tmp_path / "a.tif")[0, 0].astype(float), colour, atol=3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "HSV"])
def test_other_modes_in_memory_become_rgb(mode):
    image = Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode)
    assert (np.asarray(to_rgb(image)) == 255).all()


def test_the_first_of_several_frames_is_read(tmp_path):
    frames = [Image.fromarray(noise(8, 8, 3) // 2 + 100 * i) for i in range(2)]
    for suffix, options in {"gif": {}, "tif": {}, "webp": {"lossless": True}, "png": {}}.items():
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        assert Image.open(path).n_frames == 2
        np.testing.assert_allclose(pixels(path).astype(float), np.asarray(frames[0]), atol=40 if suffix == "gif" else 0)


# Files


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_of_the_list_is_one_that_pil_reads(suffix):
    Image.init()
    assert Image.registered_extensions()[suffix] in (*FORMATS, "MPO")


def test_the_contents_and_not_the_suffix_say_what_a_file_is(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(pixels(tmp_path / "a.jpg"), COLOURS)


def test_a_file_of_another_format_is_refused(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"^folder: .*a\.png cannot be decoded \(.*\); allowed: intact images$"):
        read_image(tmp_path / "a.png", "folder")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp", "ppm", "jp2", "avif"])
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path, suffix):
    stream = io.BytesIO()
    Image.fromarray(noise(24, 24, 3)).save(stream, Image.registered_extensions()[f".{suffix}"])
    content, rng = stream.getvalue(), np.random.default_rng(0)
    path = tmp_path / f"a.{suffix}"
    for _ in range(40):
        damaged = bytearray(content)
        for place in rng.integers(min(200, len(content)), size=4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(damaged) + 1)])
        try:
            read_image(path, "folder", max_pixels=10**6)
        except ValueError as refusal:
            assert str(refusal).startswith(f"folder: {path} ")
            assert "\n" not in str(refusal)


def test_an_image_of_pil_and_its_file_give_the_same_pixels(tmp_path):
    image = Image.fromarray(RAMP16)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), np.asarray(to_rgb(image)))


def test_orientation_is_that_of_pil(tmp_path):
    Image.fromarray(UPRIGHT).save(tmp_path / "a.jpg", quality=95, exif=b"Exif\0\0" + exif(6))
    with Image.open(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(pixels(tmp_path / "a.jpg"), np.asarray(ImageOps.exif_transpose(image)))
