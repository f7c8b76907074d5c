#!/usr/bin/env bash
# Pillow returns wrong values for a compressed big-endian TIFF of floats or signed integers, without an error or a
# warning.
#
# A TIFF begins with II or MM: its numbers are little-endian or big-endian. libtiff, which decompresses for Pillow,
# returns numbers in the byte order of the machine; Pillow, on a little-endian machine, then swaps the bytes of float32,
# int32 and int16 once more. Pillow reads the same values right if the file is not compressed, or if they are unsigned
# 16-bit integers, for which it knows that libtiff has swapped them.
#
# It affects training an encoder on measurements (depth, elevation, microscopy) from such files: most swapped values
# are finite, and those of int16 stay within int16, so that nothing fails. mi-ray refuses such a file and names it.
#
# Versions: Pillow 13.0.0 (libtiff 4.7.2). Date: 2026-11-29. No public report was found; Pillow's pull request 388
# (2013), which corrected unsigned 16-bit integers, lists I;16S, I;32 and F as still to be checked.
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

II, MM = "<", ">"
RAMP = np.linspace(0, 1, 24 * 32).reshape(24, 32)
VALUES = {
    "uint16": (RAMP * 30000).astype(np.uint16),
    "int16": (RAMP * 30000).astype(np.int16),
    "int32": (RAMP * 30000).astype(np.int32),
    "float32": RAMP.astype(np.float32),
}


def by_libtiff(path):
    with open(path, "rb") as file:
        return imagecodecs.tiff_decode(file.read())


def by_pillow(path):
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except Exception as error:
        return f"raises {error!r}"


def is_swapped(seen, values):
    """The numbers that the bytes of ``values`` make in reverse order; floats are compared by their bytes."""
    return not isinstance(seen, str) and seen.tobytes() == values.byteswap().astype(seen.dtype).tobytes()


print(f"Python {sys.version.split()[0]}, Pillow {PIL.__version__} with libtiff {features.version('libtiff')},")
print(f"numpy {np.__version__}, tifffile {tifffile.__version__}, imagecodecs {imagecodecs.__version__}")
print("Done: wrote a ramp of 24 x 32 values as TIFF; read it with tifffile, with libtiff and with Pillow.")
print("Expected: the same values from all. TIFF 6.0: the first two bytes of a file state the order of the bytes in all")
print("its numbers (MM: the highest first); Compression packs the bytes of the rows, in the order that they have.")
print(f"This machine is {sys.byteorder}-endian; the behaviour is recorded for little-endian ones.")
print()

as_recorded = True
for kind, values in VALUES.items():
    for order, compression in (II, "zlib"), (MM, None), (MM, "zlib"), (MM, "lzw"):
        tifffile.imwrite("ramp.tif", values, photometric="minisblack", byteorder=order, compression=compression)
        for name, read in ("tifffile", tifffile.imread("ramp.tif")), ("libtiff", by_libtiff("ramp.tif")):
            assert np.array_equal(np.squeeze(read), values), f"{name} reads other values: the file is not as meant"

        seen = by_pillow("ramp.tif")
        is_right = np.array_equal(seen, values)
        as_recorded &= is_swapped(seen, values) if kind != "uint16" and order == MM and compression else is_right
        verdict = seen if isinstance(seen, str) else "right"
        if not isinstance(seen, str) and not is_right:
            verdict = f"WRONG: {seen[12, 16]:g} where the file holds {values[12, 16]:g}"
        name = f"{kind}, {'II' if order == II else 'MM'}, {compression or 'uncompressed'}"
        print(f"{name:26} tifffile, libtiff: right; Pillow: {verdict}")

print()
if not as_recorded:
    sys.exit("CHANGED: Pillow no longer behaves as recorded.")
print("As recorded: Pillow swaps the bytes of compressed big-endian floats and signed integers twice; no error.")
PY
