"""The encoders in a file of tensors, found by matching: below which prefixes does it hold all that an encoder has?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from mi_ray.compute.frozen.matching import COUNT, all_aliases, distinct, faults, fitting, same_bits, without_head
from mi_ray.compute.frozen.renaming import Naming, renamings

WRAPPERS = ("module", "_orig_mod")
"""Parts of paths that `DistributedDataParallel`, `AveragedModel` and `torch.compile` add."""

_AVERAGED = re.compile(r"(^|_)(ema|momentum|moco_encoder|teacher|target|swa|avg|averaged?|shadow|key|k)(_|\d*$)")
"""Words that name an averaged copy: ``state_dict_ema``, ``momentum_backbone``, ``teacher``, ``encoder_k``."""

_NUMBERED = re.compile(r"(?<=\.)(\d+)(?=\.)")


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """An encoder in a file: all of its tensors below ``prefix``, the path in the file, and whose names they have.

    ``path``: the prefix without `WRAPPERS`. ``averaged``: whether the weights are a running average of those that were
    trained. ``faults``: what lacks; empty if the encoder is whole.
    """

    prefix: str
    path: str
    naming: Naming
    averaged: bool
    own: dict[str, Tensor]
    faults: tuple[str, ...] = field(default=())

    @property
    def role(self) -> str:
        """``raw`` or ``averaged``."""
        return "averaged" if self.averaged else "raw"


def found_encoders(tensors: Mapping[str, Tensor], arch: str, encoder: nn.Module) -> tuple[list[Found], Found]:
    """The whole encoders ``arch`` in a file, and the best of the others, for a refusal.

    ``encoder``: its shapes. One prefix gives at most one encoder. Nothing but the encoder and its head may stand below
    the prefix; anything may stand beside it.
    """
    names = unwrapped(tensors)
    bare = {name: tensors[path] for name, path in names.items()}
    expected, whole, partial = encoder.state_dict(), list[Found](), list[tuple[tuple[int, int, int], Found]]()
    for path in _prefixes(bare, distinct(encoder)):
        inner = tuple(found.path for found in whole)  # an encoder within another's prefix is no part of it
        below = {n.removeprefix(path): t for n, t in bare.items() if n.startswith(path) and not n.startswith(inner)}
        prefix = _as_written(path, names) if below else path
        for order, (naming, renamed) in enumerate(renamings(below, prefix, arch, encoder)):
            own = all_aliases(without_head(renamed, encoder), encoder)
            fault = faults(own, expected) or _continued(path, bare, expected)
            found = Found(
                prefix=prefix, path=path, naming=naming, averaged=_averaged(path, bare), own=own, faults=tuple(fault)
            )
            if not fault:
                whole.append(found)
                break
            partial.append(((fitting(own, expected), -path.count("."), -order), found))
    best = max(partial, key=lambda entry: entry[0])[1] if partial else whole[0]
    return whole[::-1], best


def grouped(found: list[Found]) -> list[list[Found]]:
    """Encoders of the same bits together."""
    groups: list[list[Found]] = []
    for one in found:
        group = next((group for group in groups if same_bits(one.own, group[0].own)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return groups


def unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Names without `WRAPPERS`, and the path of each in the file. If two tensors had one name, all keep their paths."""
    names = {".".join(part for part in path.split(".") if part not in WRAPPERS): path for path in tensors}
    return names if len(names) == len(tensors) else {path: path for path in tensors}


def _prefixes(names: Mapping[str, object], needed: int) -> list[str]:
    """Prefixes, deeper ones first, that hold enough tensors to be tried; all of them if none does.

    Half of the encoder's number is enough, because other code may keep several tensors in one.
    """
    counts: Counter[str] = Counter()
    for name in names:
        counts.update(name[:end] for end in (0, *(dot.end() for dot in re.finditer(r"\.", name))))
    enough = min(needed, len(names)) // 2
    held = [prefix for prefix, count in counts.items() if count >= enough]
    return sorted(held[::-1], key=lambda prefix: -prefix.count("."))


def _as_written(path: str, names: Mapping[str, str]) -> str:
    """A prefix as the file writes it, with the wrappers in it and after it."""
    name = next((name for name in names if name.startswith(path) and not name.endswith(COUNT)), "")
    if names.get(name, name) == name:
        return path
    written, depth, end = names[name].split("."), path.count("."), 0
    while end < len(written) and (depth > 0 or written[end] in WRAPPERS):
        depth -= written[end] not in WRAPPERS
        end += 1
    return "".join(f"{part}." for part in written[:end])


def _continued(path: str, names: Mapping[str, object], expected: Mapping[str, object]) -> list[str]:
    """A fault if blocks beyond the encoder's last stand elsewhere in the file, and none before them: the encoder is
    then a part of a deeper one."""
    tails: dict[str, set[str]] = {}
    last: Counter[str] = Counter()
    for name in expected:
        for number in _NUMBERED.finditer(name):
            tails.setdefault(name[: number.start(1)], set()).add(name[number.end(1) :])
            last[name[: number.start(1)]] = max(last[name[: number.start(1)]], int(number[1]))
    further = []
    for name in names:
        for number in _NUMBERED.finditer(name) if not name.startswith(path) else ():
            start, tail = name[: number.start(1)], name[number.end(1) :]
            stage = next((stage for stage in tails if start == stage or start.endswith(f".{stage}")), None)
            if stage and int(number[1]) > last[stage] and tail in tails[stage] and f"{start}0{tail}" not in names:
                further.append(name)
    return [f"{len(further)} of a deeper encoder beside it ({further[0]}, ...)"] if further else []


def _averaged(path: str, names: Mapping[str, object]) -> bool:
    parts = path.split(".")[:-1]
    counted = any("".join(f"{part}." for part in parts[:end]) + COUNT in names for end in range(len(parts) + 1))
    return counted or any(_AVERAGED.search(part.lower()) for part in parts)
