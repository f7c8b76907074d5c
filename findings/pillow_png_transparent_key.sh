#!/usr/bin/env bash
# Pillow makes the wrong pixels of a PNG transparent, or none, where one colour stands for transparent and the file has
# 2, 4 or 16 bits per value.
#
# A PNG without alpha may name one colour as transparent (chunk tRNS), in the bit depth of the file. Pillow brings the
# pixels to 8 bits, but not this colour: info["transparency"] keeps the number of the file. convert("RGBA") compares the
# two: with grey of 2 or 4 bits no pixel is transparent unless the colour is black, with 16 bits none or wrong pixels
# are (16-bit grey is also clipped to 255). Pillow is right with 1 bit and 8 bits.
#
# This affects anyone who composes transparent pictures (icons, drawings, cut-out objects) over a background before they
# augment them: the encoder sees a colour that was meant to be invisible, or loses parts of the object. mi-ray composes
# by the colour in the depth of the file (for 16-bit RGB by the upper bytes, since Pillow keeps only these).
#
# Versions: Pillow 13.0.0. Date: 2026-11-29. The same error with 1 bit was public and is corrected (Pillow's issue 9281,
# pull request 9282); no public report was found for 2, 4 and 16 bits.
# Needs Python 3.11 or newer and a package index. Exit 0: as recorded; 1: the behaviour changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    pillow==13.0.0 numpy==2.4.6 pypng==0.20220715.0 imagecodecs==2026.3.6
cd "$folder"
venv/bin/python -W error - <<'PY'
import io
import sys

import imagecodecs
import numpy as np
import PIL
import png
from PIL import Image

RED, NEAR_BLACK, BLUE_GREY = (65535, 0, 0), (255, 0, 0), (0x1234, 0x5678, 0x9ABC)
CASES = (  # bits, the pixels of one row, the one that is transparent, which of them Pillow 13.0.0 makes transparent
    (1, [0, 1], 1, [1]),
    (2, [0, 1, 2, 3], 2, []),
    (4, list(range(16)), 9, []),
    (8, [0, 51, 102, 255], 102, [2]),
    (16, [0, 100, 20000, 65535], 20000, []),
    (16, [0, 100, 20000, 65535], 65535, [2, 3]),
    (16, [RED, NEAR_BLACK, BLUE_GREY], BLUE_GREY, []),
    (16, [RED, NEAR_BLACK, BLUE_GREY], NEAR_BLACK, [0]),
)


def transparent(pixels):
    """Which pixels of the one row [1, width, samples] have an alpha, the last sample, of 0."""
    return np.flatnonzero(np.asarray(pixels)[0, :, -1] == 0).tolist()


def by_pypng(content):
    width, height, rows, about = png.Reader(bytes=content).asDirect()
    return transparent(np.array([list(row) for row in rows]).reshape(height, width, about["planes"]))


def by_pillow(content):
    try:
        with Image.open(io.BytesIO(content)) as image:
            return transparent(image.convert("RGBA")), image.info.get("transparency")
    except Exception as error:
        return f"raises {error!r}", None


print(f"Python {sys.version.split()[0]}, Pillow {PIL.__version__}, numpy {np.__version__}, pypng {png.__version__},")
print(f"imagecodecs {imagecodecs.__version__} with {imagecodecs.png_version()}")
print("Done: wrote PNGs of one row with a tRNS chunk; asked pypng, libpng and Pillow which pixels have an alpha of 0.")
print("Expected: the pixels of the transparent colour and no others. PNG specification, chunk tRNS: it holds a grey or")
print("RGB value in the bit depth of the image; pixels of just this value are transparent, all others opaque; a reader")
print("that drops the low bytes of 16-bit values compares both bytes before it drops them. Pillow's handbook: for grey")
print("and RGB, info['transparency'] is the colour of the transparent pixels of this image.")
print()

as_recorded = True
for bits, row, key, recorded in CASES:
    is_grey = isinstance(key, int)
    writer = png.Writer(len(row), 1, greyscale=is_grey, bitdepth=bits, transparent=key)
    file = io.BytesIO()
    writer.write(file, [np.ravel(row).tolist()])
    content, expected = file.getvalue(), [row.index(key)]
    assert by_pypng(content) == expected, "pypng differs: the file is not as meant"
    assert transparent(imagecodecs.png_decode(content)) == expected, "libpng differs: the file is not as meant"

    seen, info = by_pillow(content)
    as_recorded &= seen == recorded
    name = f"{bits:2} bits, {'grey' if is_grey else 'RGB'}, transparent {key}"
    verdict = "right" if seen == expected else f"WRONG: {seen}"
    print(f"{name:46} pypng, libpng: pixels {expected}; Pillow: {verdict}, info {info}")

print()
if not as_recorded:
    sys.exit("CHANGED: Pillow no longer behaves as recorded.")
print("As recorded: Pillow compares pixels of 8 bits with a colour of 2, 4 or 16 bits, without an error or a warning.")
PY
