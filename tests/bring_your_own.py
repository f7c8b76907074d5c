"""`docs/bring-your-own.md` taken apart, and a folder in which its commands are run."""

from __future__ import annotations

import io
import re
import runpy
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from mi_ray.experiments.declare import Labelled
from mi_ray.experiments.store.files import read_json

PAGE = (Path(__file__).parents[1] / "docs" / "bring-your-own.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {code.partition("\n")[0].removeprefix("# "): code for language, code in BLOCKS if language == "python"}
COMMANDS = [line.removeprefix("$ ") for language, text in BLOCKS if language == "console" for line in text.splitlines()]
REFUSALS = dict(re.findall(r"^\| (.+?) \| `(.+)` \|$", PAGE, re.MULTILINE))
MIRRORED = "python photos.py --preset smoke --on here"
DRAWN = "python accuracies.py --preset smoke --on here"
CLASSES = {
    "blue-disc": (40, 60, 200),
    "blue-square": (40, 60, 200),
    "red-disc": (200, 40, 40),
    "red-square": (200, 40, 40),
}


def draw_photos(root: Path, per_class: int = 40) -> None:
    """Discs and squares of 16 pixels, in colour, somewhere on noise."""
    rng = np.random.default_rng(0)
    for name, colour in CLASSES.items():
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            image = Image.fromarray(rng.integers(120, size=(32, 32, 3), dtype=np.uint8))
            x, y = (int(corner) for corner in rng.integers(16, size=2))
            pen = ImageDraw.Draw(image)
            shape = pen.ellipse if name.endswith("disc") else pen.rectangle
            shape((x, y, x + 15, y + 15), fill=colour)
            image.save(root / name / f"{number:02d}.png")


def state() -> dict[str, torch.Tensor]:
    return timm.create_model("resnet10t", num_classes=0).state_dict()


def in_moco() -> dict[str, Any]:
    """What MoCo would have saved."""
    return {"state_dict": {f"module.encoder_q.{name}": tensor for name, tensor in state().items()}, "epoch": 200}


def write_weights(folder: Path) -> None:
    folder.mkdir()
    torch.save(in_moco(), folder / "moco.pth")
    save_file(state(), folder / "plain.safetensors")


@dataclass(frozen=True)
class Ran:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Desk:
    """A folder with the page's images, weights and files, where its commands are run in their order, each once."""

    folder: Path
    ran: dict[str, Ran] = field(default_factory=dict)

    def lay(self) -> Desk:
        draw_photos(self.folder / "photos")
        write_weights(self.folder / "weights")
        for name, code in FILES.items():
            (self.folder / name).write_text(code)
        return self

    def __call__(self, command: str) -> Ran:
        """What a command of the page says after all those before it."""
        for earlier in COMMANDS[: COMMANDS.index(command) + 1]:
            if earlier not in self.ran:
                self.ran[earlier] = run(earlier, self.folder)
        return self.ran[command]

    def results(self, kind: str) -> list[dict[str, Any]]:
        """Of all cells of a kind, after all commands."""
        self(COMMANDS[-1])
        return [read_json(path / "result.json") for path in sorted(self.folder.glob(f"runs/cells/{kind}-*"))]


def run(command: str, folder: Path) -> Ran:
    """A command of the page, in this process; MLflow is left out of all but two, for the time that it takes."""
    _, file, *flags = command.split()
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, left_as_found(), redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", [file, *flags])
        patch.syspath_prepend(folder)
        if command not in (MIRRORED, DRAWN):
            patch.setitem(sys.modules, "mlflow", None)
        try:
            runpy.run_path(file, run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code
    return Ran(code, out.getvalue(), err.getvalue())


@contextmanager
def left_as_found() -> Iterator[None]:
    """`launch` takes over signals, and the page's files import each other."""
    handlers = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
        for name in FILES:
            sys.modules.pop(name.removesuffix(".py"), None)


def folder(root: str | Path = "photos", **changed: Any) -> Labelled:
    """The page's declaration of its images, or another of the kind."""
    return Labelled(**{"name": "folder", "root": str(root), "held_out": 0.2} | changed)
