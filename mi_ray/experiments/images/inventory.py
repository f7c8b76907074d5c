"""What is found in the folders of images that some questions read: told before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import assert_never

from mi_ray.compute.images import catalogue
from mi_ray.compute.images.class_folders import ClassFolders, counted
from mi_ray.compute.images.image_files import image_files
from mi_ray.compute.images.labelled import planned
from mi_ray.compute.images.photographs import photograph_sizes
from mi_ray.compute.images.readers import ClassTree, LargeFiles, PackagedArrays
from mi_ray.experiments.declare import BUNDLED, CDP, Data, Labelled, OwnImages, Question, data_of, n_classes
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.missing import missing
from mi_ray.experiments.images.render import class_list

LISTED = 12
"""Classes that are listed one by one; of more, the smallest and the largest."""


def inventory(questions: Iterable[Question]) -> list[str]:
    """Lines on every folder that is there: splits, classes, images of each, and what was left out.

    Refuses layouts that are none or could be two, and classes with too few images; opens no image.
    """
    declared = [data for data in dict.fromkeys(map(data_of, questions)) if not missing(data)]
    try:
        lines = dict.fromkeys(line for data in declared for line in _lines(data))
    except (FileNotFoundError, ValueError) as error:
        raise Refused(str(error)) from error
    return [line.encode(errors="backslashreplace").decode() for line in lines]


def _lines(data: Data) -> Iterator[str]:
    match data:
        case CDP():
            if data.backgrounds != BUNDLED:
                yield from _backgrounds(Path(data.backgrounds))
        case Labelled():
            yield from _labelled(data)
            if isinstance(data.negatives, Labelled):
                yield from _labelled(data.negatives)
        case OwnImages():
            read = f" from {len(data.files())} files" if data.files() else ""
            yield f"images    {data.name}: made by {type(data).__name__}{read}"
        case _:
            assert_never(data)


def _backgrounds(root: Path) -> Iterator[str]:
    sizes = photograph_sizes(root)
    yield f"images    backgrounds {root}: {sum(sizes.values())} images ({_listed(sizes)})"
    yield from _skipped(f"backgrounds {root}", image_files(root).skipped)


def _labelled(data: Labelled) -> Iterator[str]:
    match reader := catalogue.DATASETS[data.name].reader:
        case PackagedArrays():
            return
        case LargeFiles():
            yield f"images    {data.name} {data.root}: {n_classes(data, 'class')} classes, official train and test part"
        case ClassTree():
            found = catalogue.found_in(data.name, Path(data.root), class_list(data))
            sizes = planned(data.name, found, held_out=data.held_out, domain=data.domain or None)
            yield from _class_folders(f"{data.name} {data.root}", found, sizes)
        case _:
            assert_never(reader)


def _class_folders(called: str, found: ClassFolders, sizes: Mapping[str, int]) -> Iterator[str]:
    n = sum(sizes.values())
    yield f"images    {called}: {len(found.classes)} classes, {n} images ({_listed(sizes)})"
    for split, part in found.parts.items():
        whole = part.folder == found.root
        role = "" if whole or part.folder.name == split else f" ({split})"
        place = called if whole else f"{called}/{part.folder.name}{role}"
        yield f"images    {place}: {_by_class(found.classes, part.sizes())}"
    yield from _skipped(called, found.skipped)


def _by_class(classes: tuple[str, ...], sizes: list[int]) -> str:
    if len(classes) <= LISTED:
        return _listed(dict(zip(classes, sizes, strict=True)))
    least, most = (pick(range(len(sizes)), key=sizes.__getitem__) for pick in (min, max))
    return f"{sum(sizes)} images, from {sizes[least]} of {classes[least]} to {sizes[most]} of {classes[most]}"


def _skipped(called: str, skipped: Mapping[str, int]) -> Iterator[str]:
    if skipped:
        yield f"images    {called}: skipped {counted(skipped)}"


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sizes.items())
