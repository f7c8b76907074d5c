"""Every way that an image file can hold a picture gives the pixels that a viewer shows, or is refused by name."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from mi_ray.compute.images.decode import FORMATS, read_image, to_rgb
from mi_ray.compute.images.image_files import SUFFIXES
from tests.compute.images.made_files import COLOURS, RAMP8, RAMP16, grey, noise, pixels, png, tiff

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


def deep(kind):
    """Values in a depth that PIL reads, and the levels that they are, of 8 bits."""
    ramp = np.linspace(0, 1, 120).reshape(12, 10)
    top, dtype, sample_format = {
        "uint16": (65535, np.uint16, 1), "int16": (32767, np.int16, 2), "int32": (65535, np.int32, 2),
        "float32": (1, np.float32, 3),
    }[kind]  # fmt: skip
    values = (ramp * top).astype(dtype)
    return values, sample_format, values.astype(float) / top * 255


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("kind", ["uint16", "int16", "int32", "float32"])
def test_a_deep_tiff_is_right_or_refused_in_any_byte_order_and_compression(tmp_path, kind, deflate, order):
    values, sample_format, expected = deep(kind)
    path = tiff(tmp_path / "a.tif", values, sample_format=sample_format, order=order, deflate=deflate)
    if order == ">" and deflate and kind != "uint16":
        with pytest.raises(ValueError, match="holds compressed big-endian values of floats or signed integers"):
            read_image(path, "folder")
    else:
        np.testing.assert_allclose(pixels(path).astype(float), grey(expected), atol=0.51)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("deflate", [False, True])
def test_colours_in_separate_planes_are_right_or_refused(tmp_path, dtype, deflate):
    colours = np.random.default_rng(0).integers(np.iinfo(dtype).max, size=(6, 5, 3)).astype(dtype)
    path = tiff(tmp_path / "a.tif", colours, photometric=2, deflate=deflate, apart=True)
    if dtype == np.uint16 and not deflate:
        with pytest.raises(ValueError, match="holds colours of 16 bits in separate planes"):
            read_image(path, "folder")
    else:
        np.testing.assert_allclose(pixels(path).astype(float), colours / (np.iinfo(dtype).max / 255), atol=1)


@pytest.mark.parametrize("deflate", [False, True])
def test_transparency_in_a_plane_of_its_own_is_right_or_refused(tmp_path, deflate):
    half = np.where(np.arange(4)[:, None, None] < 2, [[[90, 255]]], [[[90, 0]]]).repeat(3, axis=1).astype(np.uint8)
    apart = tiff(tmp_path / "a.tif", half, extra=(2,), deflate=deflate, apart=True)
    with pytest.raises(ValueError, match="holds grey and transparency in separate planes; allowed: side by side"):
        read_image(apart, "folder")
    beside = tiff(tmp_path / "b.tif", half, extra=(2,), deflate=deflate)
    np.testing.assert_array_equal(pixels(beside)[:, 0, 0], [90, 90, 255, 255])


def test_signed_8_bit_values_are_refused(tmp_path):
    path = tiff(tmp_path / "a.tif", np.array([[-5, 5]], np.int8), sample_format=2)
    with pytest.raises(ValueError, match="holds signed 8-bit values; allowed: unsigned"):
        read_image(path, "folder")


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (np.zeros((4, 4, 3), np.float32), {"photometric": 2, "sample_format": 3}),
        (np.zeros((4, 4), np.float64), {"sample_format": 3}),
        (np.zeros((4, 4), np.float16), {"sample_format": 3}),
        (np.zeros((4, 4, 2), np.uint16), {"extra": (2,)}),
    ],
)
def test_depths_that_pil_does_not_know_are_refused_by_name(tmp_path, values, options):
    path = tiff(tmp_path / "a.tif", values, **options)
    with pytest.raises(ValueError, match=f"^folder: {path} cannot be decoded"):
        read_image(path, "folder")


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
