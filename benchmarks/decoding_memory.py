"""Bytes of memory for each pixel that decoding an image takes at most, by its kind, without the bytes of its file.

    python benchmarks/decoding_memory.py

Each image of 20 million pixels is written and decoded in processes of their own (Linux).
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from mi_ray.compute.images.decode import decode_bytes

WIDTH, HEIGHT = 5000, 4000
TURNED = Image.Exif()
TURNED[274] = 6
KINDS = {
    "a turned JPEG": ("RGB", "JPEG", {"exif": TURNED}),
    "a PNG with alpha": ("RGBA", "PNG", {}),
    "a PNG with a transparent colour": ("RGB", "PNG", {"transparency": (1, 2, 3)}),
    "a PNG with a palette and a transparent entry": ("P", "PNG", {"transparency": 0}),
    "a PNG of 16-bit grey": ("I;16", "PNG", {}),
    "a TIFF of 32-bit grey": ("I", "TIFF", {}),
    "a TIFF of float grey": ("F", "TIFF", {}),
    "a TIFF in LAB": ("LAB", "TIFF", {}),
    "a TIFF in CMYK": ("CMYK", "TIFF", {}),
    "a JPEG 2000": ("RGB", "JPEG2000", {}),
    "a WebP with alpha": ("RGBA", "WEBP", {}),
    "an AVIF": ("RGB", "AVIF", {}),
}
GREY = {"I;16": np.uint16, "I": np.int32, "F": np.float32}


def write(kind: str, path: Path) -> None:
    """Write an image of a kind; grey values are 0."""
    mode, suffix, options = KINDS[kind]
    grey = GREY.get(mode)
    image = Image.fromarray(np.zeros((HEIGHT, WIDTH), grey)) if grey else Image.new(mode, (WIDTH, HEIGHT))
    image.save(path, suffix, **options)


def decode(path: Path) -> None:
    """Decode an image and print the bytes for each pixel that memory grew by at its peak."""
    content = path.read_bytes()
    Image.init()
    warm = io.BytesIO()
    Image.new("RGB", (8, 8)).save(warm, "PNG")
    decode_bytes(warm.getvalue(), "an image of 8 x 8 pixels")
    before = _kilobytes("VmRSS")
    decode_bytes(content, str(path))
    print(f"{(_kilobytes('VmHWM') - before) * 1024 / (WIDTH * HEIGHT):.1f}")


def _kilobytes(field: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])


def main() -> None:
    """Measure every kind."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        for kind in KINDS:
            subprocess.run([sys.executable, __file__, "write", kind, str(path)], check=True)
            told = subprocess.run([sys.executable, __file__, "decode", str(path)], check=True, capture_output=True)
            print(f"{kind:<46} {told.stdout.decode().strip():>5}", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", kind, path]:
            write(kind, Path(path))
        case ["decode", path]:
            decode(Path(path))
        case _:
            main()
