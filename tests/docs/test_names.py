"""Paths and dotted names in prose exist: in Markdown, settings, docstrings, comments and programs inside strings."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("mi_ray", "analysis", "sweeps", "tests", "benchmarks", "deploy", "docs", "findings")
ROOMS = tuple(path.name for path in (ROOT / "mi_ray").iterdir() if path.is_dir() and path.name[0] not in "._")
"""Folders of mi_ray, which prose may name without ``mi_ray/``."""

PATH = re.compile(rf"(?<![\w/.~-])(?:{'|'.join((*FOLDERS, *ROOMS))})/[\w./-]*\.(?:py|md|sh|yaml|toml|png)\b(?![*/])")
DOTTED = re.compile(r"(?<![\w/.@])(?:mi_ray|analysis|sweeps)(?:\.[A-Za-z_]\w*)+(?![\w/(-])")
IMPORT = re.compile(r"^\s*from ((?:mi_ray|analysis|sweeps|tests)\b[\w.]*) import ([\w, ]+?)\s*(?:#.*)?$", re.M)
USERS_OWN = {"docs/bring-your-own.md", "tests/bring_your_own.py", "tests/docs/test_names.py"}
"""Files that name files of a reader's."""


def files(*endings: str) -> list[Path]:
    folders = [ROOT, *(ROOT / folder for folder in FOLDERS)]
    paths = [path for folder in folders for path in (folder.glob("*") if folder == ROOT else folder.rglob("*"))]
    return sorted(path for path in paths if path.name.endswith(endings) and "__pycache__" not in path.parts)


def prose(file: Path) -> str:
    """A text file as it is; of a Python file, docstrings and comments."""
    text = file.read_text()
    if file.suffix != ".py":
        return text
    statements = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    strings = [node.value.value for node in statements if isinstance(node.value, ast.Constant)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join([*(string for string in strings if isinstance(string, str)), *comments])


@cache
def names_in(module: Path) -> frozenset[str]:
    """Every name that a module binds."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.alias(name=name, asname=alias):
                names.add(alias or name)
    return frozenset(names)


def module_at(path: Path) -> Path | None:
    """The file of the module or package at ``path``, which has no suffix."""
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or a name (and perhaps its attribute) in a module."""
    path, parts = ROOT, dotted.split(".")
    while parts and ((path / parts[0]).is_dir() or (path / f"{parts[0]}.py").is_file()):
        path /= parts.pop(0)
    module = module_at(path)
    return not parts or (module is not None and all(part in names_in(module) for part in parts[:1]))


def exists(path: str) -> bool:
    return (ROOT / path).is_file() or (ROOT / "mi_ray" / path).is_file()


def missing(file: Path) -> Iterator[str]:
    """Paths and dotted names in a file's prose that do not exist."""
    text = prose(file)
    if str(file.relative_to(ROOT)) not in USERS_OWN:
        yield from (path for path in PATH.findall(text) if not exists(path))
        dotted = (name for name in DOTTED.findall(text) if name.rpartition(".")[2] not in ("py", "md", "NAME"))
        yield from (name for name in dotted if not resolves(name))


@pytest.mark.parametrize("ending", [".md", ".toml", "Makefile", ".sh", ".yaml", ".py"])
def test_every_path_and_dotted_name_exists(ending: str) -> None:
    lost = {str(file.relative_to(ROOT)): names for file in files(ending) if (names := sorted(set(missing(file))))}
    assert not lost


def test_every_import_in_code_programs_and_prose_resolves() -> None:
    """Also those in programs that tests run in processes of their own, which no type checker reads."""
    lost = [
        f"{file.relative_to(ROOT)}: from {module} import {name}"
        for file in files(".py", ".md", "Makefile")
        for module, names in IMPORT.findall(file.read_text())
        for name in names.split(",")
        if name.strip() and not resolves(f"{module}.{name.split()[0]}")
    ]
    assert not lost


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("see `mi_ray/theory/tasks.py`", []),
        ("see `theory/tasks.py`", []),
        ("see `mi_ray/theory/jobs.py`", ["mi_ray/theory/jobs.py"]),
        ("see `mi_ray.theory.tasks.Task.labels`", []),
        ("see `mi_ray.theory.jobs.Task`", ["mi_ray.theory.jobs.Task"]),
        ("see `mi_ray.theory.tasks.Job`", ["mi_ray.theory.tasks.Job"]),
    ],
)
def test_a_name_that_does_not_exist_is_found(text: str, lost: list[str]) -> None:
    paths = [path for path in PATH.findall(text) if not exists(path)]
    assert [*paths, *(name for name in DOTTED.findall(text) if not resolves(name))] == lost
