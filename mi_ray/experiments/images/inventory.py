"""Lines about the folders of images that questions read, printed before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import assert_never

from mi_ray.compute.generated.photographs import photograph_sizes
from mi_ray.compute.images import catalogue
from mi_ray.compute.images.class_folders import ClassFolders, counted
from mi_ray.compute.images.image_files import image_files
from mi_ray.compute.images.readers import ClassTree, LargeFiles, PackagedArrays
from mi_ray.experiments.declare import BUNDLED, CDP, Data, Labelled, OwnImages, Question, data_of, n_classes
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.census import Census
from mi_ray.experiments.images.missing import missing
from mi_ray.theory.listing import printable

LISTED = 12
"""Most classes that are listed one by one; of more, the smallest and the largest are."""


def inventory(questions: Iterable[Question], census: Census) -> list[str]:
    """Lines about every existing folder: splits, classes, images of each, and skipped files.

    ``census``: lists the class folders. Refuses layouts that fit nothing or are ambiguous, and classes with too few
    images; opens no image.
    """
    declared = [data for data in dict.fromkeys(map(data_of, questions)) if not missing(data)]
    try:
        lines = dict.fromkeys(line for data in declared for line in _lines(data, census))
    except (FileNotFoundError, ValueError) as error:
        raise Refused(str(error)) from error
    return [printable(line) for line in lines]


def _lines(data: Data, census: Census) -> Iterator[str]:
    match data:
        case CDP():
            if data.backgrounds != BUNDLED:
                root, sizes = Path(data.backgrounds), photograph_sizes(Path(data.backgrounds))
                yield f"images    backgrounds {root}: {sum(sizes.values())} images ({_listed(sizes)})"
                yield from _skipped(f"backgrounds {root}", image_files(root).skipped)
        case Labelled():
            yield from _labelled(data, census)
            if isinstance(data.negatives, Labelled):
                yield from _labelled(data.negatives, census)
        case OwnImages():
            read = f" from {len(data.files())} files" if data.files() else ""
            yield f"images    {data.name}: made by {type(data).__name__}{read}"
        case _:
            assert_never(data)


def _labelled(data: Labelled, census: Census) -> Iterator[str]:
    match reader := catalogue.DATASETS[data.name].reader:
        case PackagedArrays():
            return
        case LargeFiles():
            yield f"images    {data.name} {data.root}: {n_classes(data, 'class')} classes, official train and test part"
        case ClassTree():
            yield from _class_folders(f"{data.name} {data.root}", census.folders(data), census.splits(data))
        case _:
            assert_never(reader)


def _class_folders(called: str, folders: ClassFolders, sizes: Mapping[str, int]) -> Iterator[str]:
    n = sum(sizes.values())
    yield f"images    {called}: {len(folders.classes)} classes, {n} images ({_listed(sizes)})"
    for split, part in folders.parts.items():
        whole = part.folder == folders.root
        role = "" if whole or part.folder.name == split else f" ({split})"
        place = called if whole else f"{called}/{part.folder.name}{role}"
        sizes_of_part = dict(zip(folders.classes, part.sizes(), strict=True))
        least, most = (pick(sizes_of_part, key=sizes_of_part.__getitem__) for pick in (min, max))
        extremes = f"from {sizes_of_part[least]} of {least} to {sizes_of_part[most]} of {most}"
        total = sum(sizes_of_part.values())
        by_class = _listed(sizes_of_part) if len(sizes_of_part) <= LISTED else f"{total} images, {extremes}"
        yield f"images    {place}: {by_class}"
    yield from _skipped(called, folders.skipped)


def _skipped(called: str, skipped: Mapping[str, int]) -> Iterator[str]:
    if skipped:
        yield f"images    {called}: skipped {counted(skipped)}"


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sizes.items())
