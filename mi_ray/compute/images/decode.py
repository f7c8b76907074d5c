"""Decoding of image files, and of PIL images, to 8-bit RGB.

Integers of more than 8 bits are scaled by their bit depth (65535 becomes 255); float values must lie in 0..1 and are
scaled by 255; transparent pixels are composed over a declared colour, the matte; the orientation stated by EXIF is
applied; of several frames the first is read. Colour profiles are ignored, except for LAB, which needs one. PIL itself
drops the lower 8 bits of 16-bit colour. All other images are refused by the name of the file, and those of too many
pixels or bytes before they are decoded.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from mi_ray.compute.numerics.regular_files import open_regular, size_of

FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Formats that are read, whatever the suffix; MPO is a kind of JPEG. PIL's other formats are excluded, because some run
programs (EPS)."""

MAX_PIXELS = 200_000_000
"""Pixels of the largest image that is decoded. The largest photographs of phones have 16,320 x 12,240, those of cameras
14,204 x 10,652; each core decodes one at a time, with up to 24 bytes for a pixel (`benchmarks/decoding_memory.py`)."""
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # PIL refuses twice as many, and twice its own limit is less than that of a phone

MAX_BYTES = 8 * MAX_PIXELS
"""Bytes of the largest file that is read: so many pixels in four channels of 16 bits, not compressed."""

LARGE = 64 * 2**20
"""Bytes of a file from which its header is looked at before the file is read into memory."""

warnings.filterwarnings("ignore", module=r"PIL\.")  # of tags that are not used, and of sizes, which `opened` limits

WHITE = "white"
GREYS = ("1", "L")
COLOURS = ("P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
ALPHAS = ("PA", "LA", "La", "RGBA", "RGBa")
KEYED = ("1", "L", "I;16", "I;16B", "I;16L", "RGB")
"""Modes in which one pixel value may stand for transparent; a palette states the alpha of each entry instead."""

DEPTHS = {"I;12": 12, "I;16S": 15, "I;16BS": 15}
"""Bits of a grey value by the raw mode of the file; 16 for every other raw mode."""

KEY_SCALES = {"L;2": 85, "L;4": 17}
"""Factors for the transparent value, because PIL scales grey values of 2 and 4 bits to 8 but not that value."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that makes an image upright, by its EXIF orientation; other values need none."""

BITS, PHOTOMETRIC, PLANES, TILE_WIDTH, TILE_LENGTH, SAMPLE_FORMAT = 258, 262, 284, 322, 323, 339
"""Tags of a TIFF."""

WHITE_IS_ZERO, APART, SIGNED = 0, 2, 2
SWAPPED = ("F;32BF", "I;32BS", "I;16BS")
"""Raw modes whose bytes PIL swaps a second time after libtiff, which decompresses the file, has swapped them."""

FLOAT_SLACK = 1e-6
"""How far rounding may take float values outside 0..1."""


class Unreadable(ValueError):
    """A refusal without the name of the image, which the caller puts before it."""


def read_image(path: Path, field: str, matte: str = WHITE, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a file as an upright RGB image; ValueError names a file that is corrupt, too large, of an unknown mode, or
    no regular file.

    ``field``: the field of the declaration that the refusal names. The file is opened here because PIL maps a path to
    memory, in which case it mixes up the rows of a turned TIFF.
    """
    with refusals(f"{field}: {path}"):
        refuse_bytes(size_of(path))
        with open_regular(path) as file:
            return _decoded(file, matte, max_pixels, 1)


def refuse_header(file: BufferedReader) -> None:
    """`Unreadable`, or what PIL raises, for a file that is no image or has too many pixels; reads its header alone, and
    goes back to the beginning."""
    with opened(file):
        pass
    file.seek(0)


def refuse_bytes(size: int) -> None:
    """`Unreadable` for a file of more than `MAX_BYTES`."""
    if size > MAX_BYTES:
        raise Unreadable(f"has {size:,} bytes; allowed: at most {MAX_BYTES:,}")


def refuse_pixels(width: int, height: int, most: int = MAX_PIXELS) -> None:
    """`Unreadable` for an image of more than ``most`` pixels."""
    if width * height > most:
        raise Unreadable(f"has {width}x{height} pixels; allowed: at most {most:,}")


def decode_bytes(content: bytes | bytearray, called: str, matte: str = WHITE, divisor: int = 1) -> Image.Image:
    """Decode the content of a file as an upright RGB image; ValueError as in `read_image`, which begins with
    ``called``.

    A JPEG may be decoded at 1/``divisor`` of its size (1, 2, 4 or 8), where a block of 8 x 8 pixels is averaged before
    it is computed; other formats keep their size.
    """
    with refusals(called):
        return _decoded(BytesIO(content), matte, MAX_PIXELS, divisor)


def shows_matte(content: bytes | bytearray) -> bool:
    """Whether the matte can show in the image of a file, which has a channel or a value for transparency."""
    with opened(BytesIO(content)) as image:
        return bool(image.has_transparency_data)


@contextmanager
def refusals(called: str) -> Iterator[None]:
    """Turn every failure inside the block into a ValueError that begins with ``called``."""
    try:
        yield
    except Unreadable as error:
        raise ValueError(f"{called} {error}") from error
    except MemoryError:  # tells nothing of the image
        raise
    except OSError as error:
        if error.strerror:  # of the operating system; PIL's own errors have none
            raise ValueError(f"{called} cannot be read ({error.strerror}); allowed: files that can be read") from error
        raise _damaged(called, error) from error
    except Exception as error:  # a corrupt file makes PIL's readers raise almost anything
        raise _damaged(called, error) from error


def _damaged(called: str, error: Exception) -> ValueError:
    is_unknown = isinstance(error, UnidentifiedImageError)  # whose text holds an address in memory
    reason = "of no known format" if is_unknown else " ".join(str(error).split()) or type(error).__name__
    return ValueError(f"{called} cannot be decoded ({reason}); allowed: intact images")


@contextmanager
def opened(file: BytesIO | BufferedReader, most: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """An image of which the header alone has been read; `Unreadable` if it states more than ``most`` pixels.

    A tile of a TIFF is decompressed as a whole, whatever part of it the image shows.
    """
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        stated = f"{int(pixels[1]):,}" if pixels else "too many"
        raise Unreadable(f"has {stated} pixels; allowed: at most {most:,}") from error
    with image:
        refuse_pixels(image.width, image.height, most)
        tags = getattr(image, "tag_v2", {})
        refuse_pixels(tags.get(TILE_WIDTH, 0), tags.get(TILE_LENGTH, 0), most)
        yield image


def _decoded(file: BytesIO | BufferedReader, matte: str, max_pixels: int, divisor: int) -> Image.Image:
    with opened(file, max_pixels) as image:
        # a reduced size is rounded up: the part of a block at the right and the lower edge must stay there
        is_whole = image.width % divisor == image.height % divisor == 0
        if divisor > 1 and (is_whole or image.getexif().get(ExifTags.Base.Orientation, 1) == 1):
            image.draft(image.mode, (max(1, image.width // divisor), max(1, image.height // divisor)))
        return to_rgb(image, matte)


def to_rgb(image: Image.Image, matte: str = WHITE) -> Image.Image:
    """An upright 8-bit RGB image over ``matte``, a colour in PIL's words; `Unreadable` if mode or values are unknown.

    An image of mode RGB without orientation or transparency keeps its pixels.
    """
    raw = _raw_mode(image)
    refuse_misread(image, raw)
    image.load()
    opaque = opaque_pixels(image, raw)
    if opaque is None and (image.mode in ALPHAS or (image.mode == "P" and image.has_transparency_data)):
        with_alpha = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        coloured = Image.alpha_composite(Image.new("RGBA", image.size, matte), with_alpha).convert("RGB")
    else:
        coloured = without_alpha(image, raw)
    if opaque is not None:
        coloured.paste(matte, mask=Image.fromarray(np.where(opaque, 0, 255).astype(np.uint8)))
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF that cannot be read states no orientation; the pixels are intact
        return coloured
    return coloured if turn is None else coloured.transpose(turn)


def _raw_mode(image: Image.Image) -> str:
    """PIL's raw mode: how the file stores its pixels; "" for an image without a file. Loading an image erases it."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    arguments = tiles[0][3]
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def refuse_misread(image: Image.Image, raw: str) -> None:
    """`Unreadable` for kinds of TIFF that PIL silently decodes to wrong pixels."""
    tags, tiles = getattr(image, "tag_v2", None), getattr(image, "tile", None)
    if not tags or not tiles:
        return
    codec, deepest = tiles[0][0], max(tags.get(BITS, (1,)))
    if codec == "raw" and tags.get(PLANES) == APART and deepest > 8:
        raise Unreadable(f"holds colours of {deepest} bits in separate planes; allowed: colours side by side")
    if tags.get(PLANES) == APART and image.mode in ("LA", "La"):
        raise Unreadable("holds grey and transparency in separate planes; allowed: side by side")
    if codec == "libtiff" and raw in SWAPPED:
        raise Unreadable("holds compressed big-endian values of floats or signed integers; allowed: little-endian")
    if deepest == 8 and SIGNED in tags.get(SAMPLE_FORMAT, ()):
        raise Unreadable("holds signed 8-bit values; allowed: unsigned")


def opaque_pixels(image: Image.Image, raw: str) -> Bool[np.ndarray, "height width"] | None:
    """Which pixels differ from the value that stands for transparent; None if no value does."""
    key = image.info.get("transparency") if image.mode in KEYED else None
    if key is None or isinstance(key, bytes):
        return None
    pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
    if image.mode == "RGB":
        return (pixels != np.asarray(key) // (256 if raw.startswith("RGB;16") else 1)).any(axis=2)
    return pixels != key * KEY_SCALES.get(raw, 1)


def without_alpha(image: Image.Image, raw: str) -> Image.Image:
    """8-bit RGB of an image in any mode without transparency; `Unreadable` if the mode is unknown."""
    match image.mode:
        case "I" | "I;16" | "I;16B" | "I;16L" | "I;16N":
            return _grey(eight_bits_of_integers(np.asarray(image).astype(np.int64), raw), image)
        case "F":
            return _grey(eight_bits_of_floats(np.asarray(image)), image)
        case "LAB":
            lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
            assert converted is not None
            return converted
        case mode if mode in GREYS + COLOURS:
            return image.convert("RGB") if mode != "RGB" else image.copy()
        case mode:
            known = ", ".join(sorted({*GREYS, *COLOURS, *ALPHAS, *KEYED, "I", "F", "LAB"}))
            raise Unreadable(f"is of mode {mode!r}; allowed: {known}")


def _grey(pixels: UInt8[np.ndarray, "height width"], image: Image.Image) -> Image.Image:
    """RGB with the same grey in all channels. Inverts a TIFF of more than 8 bits whose zero is white, which PIL does
    not."""
    is_inverted = getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
    return Image.fromarray(255 - pixels if is_inverted else pixels).convert("RGB")


def eight_bits_of_integers(values: NDArray[np.int64], raw: str) -> UInt8[np.ndarray, "height width"]:
    """Grey values scaled by their bit depth and rounded: 0 stays 0, the largest value of the depth becomes 255."""
    top = 2 ** DEPTHS.get(raw, 16) - 1
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > top:
        raise Unreadable(f"has integer values from {low} to {high}; allowed: 0 to {top}")
    if raw.startswith("I;32") and 0 < high < 256:
        raise Unreadable(f"has integer values from {low} to {high} in 32 bits; allowed: 8-bit or 16-bit files")
    return ((values * 255 + top // 2) // top).astype(np.uint8)


def eight_bits_of_floats(values: NDArray[np.floating]) -> UInt8[np.ndarray, "height width"]:
    """Grey values of 0..1 scaled to 0..255 and rounded."""
    if not np.isfinite(values).all():
        raise Unreadable("has float values that are NaN or infinite; allowed: 0 to 1")
    low, high = float(values.min()), float(values.max())
    if low < -FLOAT_SLACK or high > 1 + FLOAT_SLACK:
        raise Unreadable(f"has float values from {low:g} to {high:g}; allowed: 0 to 1")
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
