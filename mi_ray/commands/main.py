"""The command ``mi-ray WORD``: it imports the module of a word, and no other, since torch and MLflow take seconds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from mi_ray import __version__
from mi_ray.experiments.declare.checks import Refused, did_you_mean, say
from mi_ray.running.exit import DONE, end_in_order_on_sigterm, exit_code, leave

WORDS = {
    "run": ("mi_ray.commands.run", "run a study of mi-ray or a file of yours: train, embed, ask, draw"),
    "ls": ("mi_ray.commands.ls", "list the finished cells of a store"),
    "show": ("mi_ray.commands.show", "everything that a store knows about a cell"),
    "export": ("mi_ray.commands.export", "all results of a store as a table: csv or parquet"),
    "draw": ("mi_ray.commands.draw", "draw the figures of a study again, from MLflow"),
    "report": ("mi_ray.commands.report", "one page of all that a store holds: figures, verdicts, provenance"),
    "ui": ("mi_ray.commands.ui", "open MLflow on a store"),
    "embed": ("mi_ray.commands.embed", "embed a folder of images with a checkpoint of any project"),
    "estimate": ("mi_ray.commands.estimate", "mutual information of embeddings in a file of yours"),
    "doctor": ("mi_ray.commands.doctor", "what is installed here, and what a run would use"),
    "gc": ("mi_ray.gc", "remove what killed runs left behind"),
}
"""Module and one line of help of every word."""


def usage() -> str:
    """The help of the command."""
    width = max(map(len, WORDS))
    lines = [f"  {word:<{width}}  {told}" for word, (_, told) in WORDS.items()]
    return "\n".join(["usage: mi-ray WORD [FLAGS], mi-ray WORD --help, mi-ray --version", "", *lines])


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a word of the command line; the exit codes are those of a study."""
    end_in_order_on_sigterm()
    given = list(sys.argv[1:] if argv is None else argv)
    leave(exit_code("mi-ray", lambda: answered(given)))


def answered(argv: list[str]) -> int:
    """The exit code of a word; `Refused` if it is unknown."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        say(usage())
        return DONE
    word, *rest = argv
    if word == "--version":
        say(f"mi-ray {__version__}")
        return DONE
    if word not in WORDS:
        raise Refused(f"{word!r} is not allowed; allowed: {', '.join(WORDS)}{did_you_mean(word, list(WORDS))}")
    return import_module(WORDS[word][0]).main(rest)
