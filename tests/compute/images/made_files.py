"""PNG and TIFF files written by hand, in depths and kinds that PIL does not write, and the pixels expected of them."""

import struct
import zlib

import numpy as np

from mi_ray.compute.images.decode import read_image

RAMP16 = np.linspace(0, 65535, 12 * 10).round().astype(np.uint16).reshape(12, 10)
RAMP8 = np.rint(RAMP16 / 257).astype(np.uint8)


COLOURS = np.random.default_rng(0).integers(256, size=(6, 5, 3), dtype=np.uint8)


def pixels(path, **options):
    image = read_image(path, "folder", **options)
    assert image.mode == "RGB"
    return np.asarray(image)


def grey(expected):
    return np.repeat(np.asarray(expected)[:, :, None], 3, axis=2)


def noise(*shape):
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


KINDS = {"grey": 0, "rgb": 2, "grey with alpha": 4, "rgba": 6}
SHORT, LONG = 3, 4


def png(path, pixels, *, depth, kind="grey", key=None, orientation=None):
    """A PNG of ``depth`` bits per sample from integers [height, width] or [height, width, samples]."""
    pixels = np.asarray(pixels)
    height, width = pixels.shape[:2]
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, KINDS[kind], 0, 0, 0))]
    if key is not None:
        chunks.append((b"tRNS", struct.pack(f">{np.size(key)}H", *np.atleast_1d(key))))
    if orientation is not None:
        chunks.append((b"eXIf", exif(orientation)))
    rows = b"".join(b"\0" + packed(row.reshape(-1), depth) for row in pixels)
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks)))
    return path


def packed(samples, depth):
    """Samples of 1, 2, 4, 8 or 16 bits, the first in the highest bits of the first byte."""
    if depth == 16:
        return samples.astype(">u2").tobytes()
    bits = (samples[:, None] >> np.arange(depth)[::-1]) & 1
    return np.packbits(bits.astype(np.uint8).reshape(-1)).tobytes()


def _chunk(chunk):
    name, content = chunk
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def exif(orientation):
    """EXIF, as TIFF, that states nothing but an orientation."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, SHORT, 1, orientation, 0, 0)


def tiff(
    path, pixels, *, photometric=1, bits=None, order="<", sample_format=1, extra=(), orientation=None, deflate=False,
    apart=False,
):  # fmt: skip
    """A TIFF from an array [height, width] or [height, width, samples], in one strip or, ``apart``, one per sample."""
    pixels = np.asarray(pixels)
    height, width = pixels.shape[:2]
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    bits = bits or 8 * pixels.dtype.itemsize
    planes = [pixels[:, :, i] for i in range(samples)] if apart else [pixels]
    strips = [twelve(one) if bits == 12 else one.astype(one.dtype.newbyteorder(order)).tobytes() for one in planes]
    strips = [zlib.compress(one) if deflate else one for one in strips]
    strips = [one + b"\0" * (len(one) % 2) for one in strips]
    starts = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    tags = {
        256: (LONG, [width]), 257: (LONG, [height]), 258: (SHORT, [bits] * samples),
        259: (SHORT, [8 if deflate else 1]),
        262: (SHORT, [photometric]), 273: (LONG, starts), 277: (SHORT, [samples]), 278: (LONG, [height]),
        279: (LONG, list(map(len, strips))), 284: (SHORT, [2 if apart else 1]),
        339: (SHORT, [sample_format] * samples),
    }  # fmt: skip
    if extra:
        tags[338] = (SHORT, list(extra))
    if orientation is not None:
        tags[274] = (SHORT, [orientation])
    path.write_bytes(_tiff(b"".join(strips), dict(sorted(tags.items())), order))
    return path


def twelve(pixels):
    """Rows of 12-bit samples, packed."""
    return b"".join(packed(row.astype(np.int64), 12) for row in pixels)


def _tiff(content, tags, order):
    start = 8 + len(content)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    beyond, entries = start + 2 + 12 * len(tags) + 4, b""
    values = b""
    for tag, (kind, numbers) in tags.items():
        code = {SHORT: "H", LONG: "I"}[kind]
        packed_numbers = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        if len(packed_numbers) > 4:
            field = struct.pack(f"{order}I", beyond + len(values))
            values += packed_numbers
        else:
            field = packed_numbers.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + field
    return head + content + struct.pack(f"{order}H", len(tags)) + entries + b"\0\0\0\0" + values
