"""Run a study of mi-ray, by its name, or a file of yours that defines one, with the flags of a study.

mi-ray run                                         # the studies
mi-ray run infomin_grid --preset smoke
mi-ray run my_study.py --dry-run
mi-ray run infomin_grid --help                     # its flags and axes
"""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from mi_ray import bundled
from mi_ray.experiments.declare.checks import Refused, did_you_mean, say
from mi_ray.launch import launch
from mi_ray.running.exit import DONE


def main(argv: Sequence[str]) -> int:
    """Run a study; without its name, list all."""
    bundled.make_importable()
    known = studies()
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, known))
        say((__doc__ or "").strip(), "", *(f"  {name:<{width}}  {question}" for name, question in known.items()))
        return DONE
    name, *flags = argv
    if name in known:
        launch(import_module(f"sweeps.{name}").STUDY, flags)
    file = Path(name)
    if file.suffix != ".py" or not file.is_file():
        near = did_you_mean(name, list(known))
        raise Refused(f"study: {name!r} is not allowed; allowed: {', '.join(known)}, or a Python file of yours{near}")
    sys.argv = [name, *flags]
    sys.path.insert(0, str(file.resolve().parent))
    runpy.run_path(name, run_name="__main__")
    return DONE


def assigned(node: ast.stmt) -> list[ast.Name]:
    """The names that a statement assigns, with a type or without."""
    match node:
        case ast.Assign(targets=targets):
            return [target for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name() as target):
            return [target]
        case _:
            return []


def studies() -> dict[str, str]:
    """The studies that come with mi-ray and the question that each asks; their files are read, not run."""
    found = {}
    for file in sorted((bundled.folder() / "sweeps").glob("*.py")):
        tree = ast.parse(file.read_text())
        if "STUDY" in {name.id for node in tree.body for name in assigned(node)}:
            found[file.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found
