"""A static guard: calls and texts that would let a file of others run code, start a shell, listen to every machine or
write under a name that others can foresee. `make check` runs it over the code; a line that must do so has its place in
`ALLOWED`, with the reason.

    python -m tests.guards.bans [FOLDER]
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLS = {
    "pickle.load": "code of a file runs", "pickle.loads": "code of a file runs",
    "pickle.Unpickler": "code of a file runs",
    "dill.load": "code of a file runs", "dill.loads": "code of a file runs", "joblib.load": "code of a file runs",
    "cloudpickle.load": "code of a file runs", "cloudpickle.loads": "code of a file runs",
    "marshal.load": "code of a file runs", "marshal.loads": "code of a file runs", "shelve.open": "code of a file runs",
    "pandas.read_pickle": "code of a file runs", "torch.load": "code of a file may run",
    "torch.jit.load": "a program of a file runs", "torch.hub.load": "code of others is fetched and runs",
    "yaml.load": "code of a file runs; safe_load", "yaml.load_all": "code of a file runs; safe_load_all",
    "yaml.unsafe_load": "code of a file runs; safe_load", "yaml.full_load": "code of a file may run; safe_load",
    "eval": "a text runs as code", "exec": "a text runs as code", "compile": "a text becomes code",
    "os.system": "a shell runs", "os.popen": "a shell runs", "subprocess.getoutput": "a shell runs",
    "subprocess.getstatusoutput": "a shell runs", "tempfile.mktemp": "a name that others can take first",
    "extractall": "names in an archive may lead out of the folder",
    "shutil.unpack_archive": "names in an archive may lead out of the folder",
    "asyncio.create_subprocess_shell": "a shell runs",
} | {
    f"os.{start}{rest}": "another program runs; subprocess.run, which takes a list and waits"
    for start in ("exec", "spawn") for rest in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")
} | dict.fromkeys(("os.posix_spawn", "os.posix_spawnp"), "another program runs; subprocess.run")  # fmt: skip
"""Calls by their dotted names, and why none is made."""

ARGUMENTS = {
    ("allow_pickle", False): "code of a file runs", ("shell", False): "a shell runs",
    ("weights_only", True): "code of a file runs",
}  # fmt: skip
"""Arguments, their only allowed value if they are written out, and why."""
EVERYWHERE = re.compile(r"\b0\.0\.0\.0\b(?!/\d)|\[::\]")
FORESEEN = re.compile(r"(?<![\w.~$}])/(var/)?tmp/[\w.-]+")
"""A name directly below the system's temporary folder."""

ALLOWED = {
    ("mi_ray/compute/frozen/file_tensors.py", "torch.load"): (
        1, "weights_only, or with allow_code, which the user declares"
    ),
    ("mi_ray/compute/frozen/file_tensors.py", "weights_only=False"): (1, "with allow_code, which the user declares"),
}  # fmt: skip
"""File and ban, how often it stands there, and why."""

FOLDERS, FILES = ("mi_ray", "deploy", "sweeps", "analysis"), ("cluster.yaml", "Makefile")
"""What users run. Tests make hostile files themselves, with harmless code in them."""


@dataclass(frozen=True)
class Finding:
    """A banned call or text."""

    file: str
    line: int
    ban: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.ban} is not allowed here: {self.reason}"


def in_python(file: str, source: str) -> Iterator[Finding]:
    """Banned calls, arguments and texts in Python."""
    tree = ast.parse(source)
    called = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _in_call(file, node, called)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _in_text(file, node.lineno, node.value)


def in_text(file: str, source: str) -> Iterator[Finding]:
    """Banned texts in YAML and shell, but for comments."""
    for number, line in enumerate(source.splitlines(), 1):
        yield from _in_text(file, number, re.sub(r"(^|\s)#.*", "", line))


def _in_call(file: str, node: ast.Call, called: dict[str, str]) -> Iterator[Finding]:
    name = _dotted(node.func, called)
    for ban in {name, name.rpartition(".")[2] if name.endswith(".extractall") else name} & CALLS.keys():
        yield Finding(file, node.lineno, ban, CALLS[ban])
    for (argument, only), reason in ARGUMENTS.items():
        for given in node.keywords:
            passed_on = isinstance(given.value, ast.Name) and given.value.id == argument
            if given.arg == argument and not passed_on and getattr(given.value, "value", None) is not only:
                yield Finding(file, node.lineno, f"{argument}={not only}", reason)
    if name == "numpy.load" and len(node.args) > 2:
        yield Finding(file, node.lineno, "allow_pickle=True", ARGUMENTS["allow_pickle", False])


def _in_text(file: str, line: int, text: str) -> Iterator[Finding]:
    if EVERYWHERE.search(text):
        yield Finding(file, line, "0.0.0.0", "it listens to every machine")
    if found := FORESEEN.search(text):
        yield Finding(file, line, found[0], "a name in a shared folder that others can foresee")


def _imported(tree: ast.Module) -> dict[str, str]:
    """Names in the module, and what they stand for: ``np`` for numpy, ``load`` for pickle.load."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.expr, called: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return called.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        above = _dotted(node.value, called)
        return f"{above}.{node.attr}" if above else f"?.{node.attr}"
    return ""


def findings(root: Path = ROOT) -> list[Finding]:
    """All findings in the files of a checkout; of what `ALLOWED` names, those beyond its number."""
    found: list[Finding] = []
    for path in [path for folder in FOLDERS for path in sorted((root / folder).rglob("*"))] + [root / f for f in FILES]:
        file = path.relative_to(root).as_posix()
        if path.suffix == ".py":
            found += in_python(file, path.read_text())
        elif path.is_file() and (path.suffix in (".sh", ".yaml", ".yml") or path.name in ("Makefile", "Dockerfile")):
            found += in_text(file, path.read_text())
    left = {named: number for named, (number, _) in ALLOWED.items()}
    return [one for one in found if not _is_allowed(one, left)]


def _is_allowed(finding: Finding, left: dict[tuple[str, str], int]) -> bool:
    """Whether ``left`` has one more of this kind in its file, which is taken from it."""
    named = finding.file, finding.ban
    left[named] = left.get(named, 0) - 1
    return left[named] >= 0


if __name__ == "__main__":
    lines = [str(finding) for finding in findings(Path(sys.argv[1]) if sys.argv[1:] else ROOT)]
    print("\n".join(lines) or "bans: nothing found", file=sys.stderr if lines else sys.stdout)
    sys.exit(bool(lines))
