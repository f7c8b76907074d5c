"""Flags of the command's words: a mistyped one is refused in one line, as those of a study are."""

from __future__ import annotations

import argparse
from typing import NoReturn

from mi_ray.experiments.declare.checks import Refused


class Flags(argparse.ArgumentParser):
    """A parser whose errors are `Refused`; ``description``: a module's docstring, whose layout is kept."""

    def __init__(self, word: str, description: str | None) -> None:
        super().__init__(
            prog=f"mi-ray {word}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def error(self, message: str) -> NoReturn:
        raise Refused(message)

    def add_store(self) -> None:
        """The flag of a store."""
        self.add_argument("--store", default="runs", metavar="PLACE", help="a folder, s3://… or gs://… (%(default)s)")
