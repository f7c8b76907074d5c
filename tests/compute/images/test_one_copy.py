"""Processes of a node hold one copy of resident images between them, whatever their number."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from mi_ray.compute.images.image_set import ImageSet

N, SIDE = 4096, 32
SIZE = N * 3 * SIDE**2

READS = """
import sys
from pathlib import Path
from mi_ray.compute.images.image_set import ImageSet
from tests.compute.images.test_one_copy import pages_of
images = ImageSet.load(Path(sys.argv[1]))
print(int(images.pixels(images.sources[::7]).sum()), int(images.images.sum()), flush=True)
sys.stdin.readline()
print(*pages_of(sys.argv[1]), flush=True)
sys.stdin.readline()
"""


def pages_of(path: str) -> tuple[int, int]:
    """Bytes of the pages of a mapped file that this process shares with others, and of those that it alone has."""
    shared, own, inside = 0, 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            inside = line.endswith(path)
        elif inside and name in ("Shared_Clean:", "Shared_Dirty:"):
            shared += int(rest[0]) * 1024
        elif inside and name in ("Private_Clean:", "Private_Dirty:"):
            own += int(rest[0]) * 1024
    return shared, own


def test_two_processes_that_read_the_same_images_share_their_pages(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(N, 3, SIDE, SIDE), dtype=np.uint8)
    path = tmp_path / "train.safetensors"
    ImageSet(pixels, np.zeros((N, 1), dtype=np.int64), np.arange(N)).save(path)
    command = [sys.executable, "-c", READS, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        wanted = f"{int(pixels[::7].sum())} {int(pixels.sum())}\n"
        assert [each.stdout.readline() for each in (one, other)] == [wanted, wanted]
        for each in (one, other):  # both have read every image by now, and both still map the file
            each.stdin.write("\n")
            each.stdin.flush()
            shared, own = map(int, each.stdout.readline().split())
            assert shared >= 0.99 * SIZE and own <= 2**16
