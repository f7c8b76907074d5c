#!/usr/bin/env bash
# Pillow decodes an uncompressed planar TIFF of 16-bit RGB to wrong pixels, without an error or a warning.
#
# A planar TIFF stores all reds, then all greens, then all blues. Pillow reads each plane as if its values had 8 bits:
# the two bytes of a value become two neighbouring pixels, and the second half of each strip is lost. Pillow decodes the
# same picture right if the planes are compressed, if the colours lie side by side, or if the values have 8 bits.
#
# It affects training an encoder on pictures that were saved channel-first, as tifffile saves an array
# [3, height, width] as RGB: the encoder learns from scrambled pixels, and nothing fails. mi-ray refuses such a file and
# names it.
#
# Versions: Pillow 13.0.0 (libtiff 4.7.2). Date: 2026-11-29. No public report was found; Pillow's pull requests 4641 and
# 5364 made the compressed planar files right, and its own test files of 16-bit planes are all compressed (LZW).
# Needs Python 3.11 or newer and a package index. Exit 0: as recorded; 1: the behaviour changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3 imagecodecs==2026.3.6
cd "$folder"
venv/bin/python -W error - <<'PY'
import sys

import imagecodecs
import numpy as np
import PIL
import tifffile
from PIL import Image, features

HEIGHT, WIDTH = 24, 32
II, MM = "<", ">"


def picture(bits):
    """Smooth planes [3, height, width]: red grows to the right, green downwards, blue along the diagonal."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    planes = np.stack([column * 2114, row * 2849, (row + column) * 1213]).astype(np.uint16)
    return planes if bits == 16 else (planes >> 8).astype(np.uint8)


def by_libtiff(path):
    with open(path, "rb") as file:
        return imagecodecs.tiff_decode(file.read())


def by_pillow(path):
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except Exception as error:
        return f"raises {error!r}"


def first_half_as_8_bits(planes, order):
    """What Pillow 13.0.0 makes of 16-bit planes that are not compressed."""
    stored = planes.astype(f"{order}u2").tobytes()
    halves = np.frombuffer(stored, np.uint8).reshape(3, 2 * HEIGHT * WIDTH)[:, : HEIGHT * WIDTH]
    return halves.reshape(3, HEIGHT, WIDTH).transpose(1, 2, 0)


print(f"Python {sys.version.split()[0]}, Pillow {PIL.__version__} with libtiff {features.version('libtiff')},")
print(f"numpy {np.__version__}, tifffile {tifffile.__version__}, imagecodecs {imagecodecs.__version__}")
print("Done: wrote one RGB picture as TIFF in several layouts; read it with tifffile, with libtiff and with Pillow.")
print("Expected: the same picture from all (Pillow keeps the upper 8 bits). TIFF 6.0: PlanarConfiguration states if")
print("the components of a pixel lie side by side or in planes, BitsPerSample how wide a component is; Compression")
print("changes neither. A reader need not know planes, but Pillow's handbook says that it reads them.")
print()

as_recorded = True
for bits, layout, order, compression in (
    (8, "separate", II, None),
    (16, "contig", II, None),
    (16, "separate", II, "zlib"),
    (16, "separate", II, None),
    (16, "separate", MM, None),
):
    planes = picture(bits)
    pixels = planes if layout == "separate" else planes.transpose(1, 2, 0)
    tifffile.imwrite(
        "picture.tif", pixels, photometric="rgb", planarconfig=layout, byteorder=order, compression=compression
    )
    for name, read in ("tifffile", tifffile.imread("picture.tif")), ("libtiff", by_libtiff("picture.tif")):
        assert np.array_equal(np.squeeze(read), pixels), f"{name} reads other pixels: the file is not as meant"

    expected = (planes >> (bits - 8)).astype(np.uint8).transpose(1, 2, 0)
    seen = by_pillow("picture.tif")
    is_right = np.array_equal(seen, expected)
    if bits == 16 and layout == "separate" and compression is None:
        as_recorded &= np.array_equal(seen, first_half_as_8_bits(planes, order)) and not is_right
    else:
        as_recorded &= is_right
    kind = f"{bits:2} bits, {layout}, {'II' if order == II else 'MM'}, {compression or 'uncompressed'}"
    verdict = seen if isinstance(seen, str) else "right"
    if not isinstance(seen, str) and not is_right:
        off = np.abs(seen.astype(int) - expected).mean()
        verdict = f"WRONG by {off:.0f} of 255 on average"
        verdict += f"; red begins {seen[0, :6, 0].tolist()}, not {expected[0, :6, 0].tolist()}"
    print(f"{kind:35} tifffile, libtiff: right; Pillow: {verdict}")

print()
if not as_recorded:
    sys.exit("CHANGED: Pillow no longer behaves as recorded.")
print("As recorded: Pillow reads uncompressed 16-bit planes as 8-bit values, without an error or a warning.")
PY
