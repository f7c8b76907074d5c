"""Estimators of mutual information side by side, on pairs of embeddings whose truth is known.

    python benchmarks/estimators.py                                        # every peer on every problem, for hours
    python benchmarks/estimators.py --peers latentmi_lmi --problems 'classes-*' --seeds 2
    python benchmarks/estimators.py --out benchmarks/answers --told        # print what is answered, ask nothing

Every peer has the same budget: three choices of settings on the first seed, of which the one with the highest value on
the validation pairs is kept for all seeds. A seed stands for fresh pairs and a fresh start of the peer. Each answer is
one line of <out>/answers.jsonl, known by problem, pairs, peer, seed and choice; what is there is not asked again, a
failure included (delete its line to try again). Two runs with different --peers may share a folder and use two cores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from hashlib import sha256
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from comparison import Row, print_problems, print_summary
from environments import PEERS, ask
from problems import Arrays, Problem, problems

CHOICES = 3

Answer = dict[str, Any]


class Unanswered(LookupError):
    """No answer is recorded, and peers are not to be run now."""


class Answers:
    """The answers given so far, on disk."""

    def __init__(self, folder: Path, limit: float, *, recorded_only: bool = False) -> None:
        """``limit``: wall seconds per call; ``recorded_only``: run no peer."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._limit, self._recorded_only = folder / "answers.jsonl", limit, recorded_only
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        self._known = {_key(answer): answer for answer in map(json.loads, lines)}

    def get(self, question: Answer, instance: Arrays) -> Answer:
        """The recorded answer to a question, or a fresh one; Unanswered if peers are not to be run."""
        if _key(question) not in self._known:
            if self._recorded_only:
                raise Unanswered(_key(question))
            with TemporaryDirectory() as folder:
                path = Path(folder) / "problem.npz"
                np.savez(path, **instance)
                answer = question | ask(question["peer"], path, question["seed"], question["choice"], self._limit)
            self._known[_key(question)] = answer
            with open(self._path, "a") as file:
                file.write(json.dumps(answer) + "\n")
            _tell(answer, float(instance["true_bits"]))
        return self._known[_key(question)]


def _key(answer: Answer) -> tuple:
    return tuple(answer[name] for name in ("problem", "pairs", "peer", "seed", "choice"))


def _tell(answer: Answer, true_bits: float) -> None:
    where = "{problem} {peer} seed {seed} choice {choice}".format_map(answer)
    what = answer["failure"] or f"{answer['bits']:.3f} bits"
    print(f"{where}: {what}, truth {true_bits:.3f}, {answer['seconds']:.0f} s", flush=True)


def compare(problem: Problem, peers: list[str], seeds: int, answers: Answers) -> Iterator[Row]:
    """One row per peer: its errors over the seeds with the choice made on the first."""
    instances = [problem.draw(seed) for seed in range(seeds)]
    for peer in peers:
        with suppress(Unanswered):
            yield _row(problem, peer, instances, answers)


def _row(problem: Problem, peer: str, instances: list[Arrays], answers: Answers) -> Row:
    questions = [_question(problem, instance, peer, seed) for seed, instance in enumerate(instances)]
    tuning = _tune(questions[0], instances[0], answers)
    choice = _best(tuning)
    given = [answers.get(q | {"choice": choice}, i) for q, i in zip(questions, instances, strict=True)]
    return Row.of(problem.name, peer, float(instances[0]["true_bits"]), problem.upper, choice, given, tuning)


def _question(problem: Problem, instance: Arrays, peer: str, seed: int) -> Answer:
    digest = sha256(b"".join(np.ascontiguousarray(instance[name]).data for name in sorted(instance))).hexdigest()[:16]
    return {"problem": problem.name, "pairs": digest, "peer": peer, "seed": seed}


def _tune(question: Answer, instance: Arrays, answers: Answers) -> list[Answer]:
    """The answers of every choice; of the default alone when the peer has no validation score."""
    default = answers.get(question | {"choice": 0}, instance)
    if default["failure"] is None and default["validation_bits"] is None:
        return [default]
    return [default, *(answers.get(question | {"choice": choice}, instance) for choice in range(1, CHOICES))]


def _best(tuning: list[Answer]) -> int:
    """The choice with the highest value on validation pairs; the default if all failed."""
    scored = [a for a in tuning if a["validation_bits"] is not None and not isnan(a["validation_bits"])]
    return max(scored, key=lambda answer: answer["validation_bits"], default=tuning[0])["choice"]


def _chosen(allowed: list[str], patterns: list[str], what: str) -> list[str]:
    """Names that match any pattern; a pattern that matches none is refused with the list."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in allowed):
            raise SystemExit(f"{what}: {pattern!r} is unknown; allowed: {', '.join(allowed)}")
    return [name for name in allowed if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", nargs="+", default=["*"], help=f"names or patterns of: {', '.join(PEERS)}")
    parser.add_argument("--problems", nargs="+", default=["*"], help="names or patterns; see problems.py list")
    parser.add_argument("--seeds", type=int, default=5, help="fresh pairs and starts per problem (%(default)s)")
    parser.add_argument("--store", type=Path, default=Path("runs"), help="a finished sweep, for cdp-* (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path(".peers/answers"), help="folder of answers (%(default)s)")
    parser.add_argument("--told", action="store_true", help="print what is answered already, ask nothing")
    parser.add_argument("--limit", type=float, default=300, help="wall seconds per call (%(default)s)")
    return parser.parse_args()


def main() -> None:
    """Ask, then print a table per problem and a summary."""
    flags = _flags()
    drawable, absent = problems(flags.store)
    peers = _chosen(list(PEERS), flags.peers, "peers")
    named = _chosen([*(p.name for p in drawable), *absent], flags.problems, "problems")
    answers = Answers(flags.out, flags.limit, recorded_only=flags.told)
    rows = [row for p in drawable if p.name in named for row in compare(p, peers, flags.seeds, answers)]
    print_problems(rows)
    print_summary(rows)
    for name in named:
        if name in absent:
            print(f"absent: {name}: {absent[name]}")


if __name__ == "__main__":
    main()
