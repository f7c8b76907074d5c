"""Disk, memory and loader cores of a plan, against sums written out here; and what is refused, with what would fit."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from mi_ray.compute.images.labelled import RESIDENT_BUDGET, largest_side
from mi_ray.compute.training import networks
from mi_ray.compute.training.sizes import activation_bytes, encoder_bytes
from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Embedding,
    Geometry,
    Labelled,
    LinearEvaluation,
    Noise,
    Question,
    SameClass,
    SimCLR,
    Training,
    Views,
)
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.images import counts
from mi_ray.experiments.declare.kind import Counts
from mi_ray.experiments.plan.forecast import H100_FLOPS, H100_STEP_SECONDS
from mi_ray.experiments.plan.plan import Cell, build
from mi_ray.experiments.plan.resources import (
    LOADER_VIEWS,
    PROCESS_BYTES,
    Machine,
    array_bytes,
    disk,
    is_streamed,
    loaders_needed,
    loaders_of,
    memory,
    stored_bytes,
    views_per_second,
)
from mi_ray.experiments.plan.room import Site, amount, refuse_no_room, room

IMAGENET_100 = Labelled(name="imagenet-100", root="x", side=224, class_list="x")
LARGE = Counts(train=114_020, validation=12_669, test=5_000, classes=100, file_bytes=14 * 10**9)
GIB = 2**30
AMPLE = Machine(memory=64 * GIB, disk=2000 * GIB, cores=8)


def questions(data, arch: str = "resnet18", **training) -> list[Question]:
    encoder = Training(data=data, pairing=SimCLR(), arch=arch, **training)
    task = "all" if isinstance(data, CDP) else "class"
    viewed = Views(encoder=encoder, pairing=SimCLR(), per_image=3)
    plain = Embedding(encoder=encoder)
    return [
        LinearEvaluation(embedding=plain, task=task),
        Geometry(embedding=plain, pairing=SameClass(task=task)),
        Geometry(embedding=viewed, pairing=SimCLR()),
    ]


def cells_of(data, held: Counts | None = None, digest: str | None = None, **fields) -> list[Cell]:
    return list(build(questions(data, **fields), lambda data: digest, lambda data: held).cells.values())


def site(machine: Machine = AMPLE, **fields) -> Site:
    return Site(**{"store": "runs", "in_bucket": False, "machine": machine, "slots": 2} | fields)


def test_images_above_the_budget_are_streamed_and_below_it_they_are_not() -> None:
    per_image = 3 * 224**2
    below, above = RESIDENT_BUDGET // per_image, RESIDENT_BUDGET // per_image + 1
    of = [replace(LARGE, train=n, validation=0, test=0) for n in (below, above)]
    square = IMAGENET_100
    assert [is_streamed(square, held) for held in of] == [getattr(square, "crops", "square") != "square", True]
    assert not is_streamed(CDP(canvas=224, train_images=10**6), counts(CDP(canvas=224, train_images=10**6)))
    assert not is_streamed(Labelled(name="svhn", side=512), counts(Labelled(name="svhn", side=512)))


def test_arrays_take_a_byte_a_channel_and_negatives_are_images_too() -> None:
    data = Labelled(name="digits", side=64, negatives=Noise(images=100))
    assert array_bytes(data, counts(data)) == (1797 + 100) * 3 * 64 * 64
    assert stored_bytes(data, counts(data), in_bucket=True) == array_bytes(data, counts(data))


def test_streamed_images_take_no_disk_in_a_folder_and_that_of_their_files_in_a_bucket() -> None:
    assert stored_bytes(IMAGENET_100, LARGE, in_bucket=False) == 0
    assert stored_bytes(IMAGENET_100, LARGE, in_bucket=True) == LARGE.file_bytes


@pytest.mark.parametrize("digest", [None, "d" * 64])
def test_a_store_gets_images_unless_it_has_them_and_h_of_every_image_and_view(digest: str | None) -> None:
    needs = disk(cells_of(CDP(), digest=digest), in_bucket=False, slots=2)
    n = 16384 + 4096 + 4096
    assert needs.images == (0 if digest else n * 3 * 32 * 32)
    assert needs.embeddings == n * (1 + 3) * 512 * 4
    assert needs.total == needs.images + needs.embeddings + needs.encoders + needs.checkpoints


def test_an_encoder_takes_what_its_file_would_and_a_checkpoint_three_times_as_much_twice() -> None:
    state = networks.encoder("resnet18", seed=0).state_dict()
    assert encoder_bytes("resnet18", "imagenet") == sum(t.numel() * t.element_size() for t in state.values())
    needs = disk(cells_of(CDP()), in_bucket=False, slots=2)
    h, hidden, out = 512, 512, 128
    assert needs.encoders == encoder_bytes("resnet18", "imagenet") + 4 * ((h + 1) * hidden + (hidden + 1) * out)
    assert needs.checkpoints == 6 * needs.encoders


def test_as_many_checkpoints_are_kept_as_trainings_run_side_by_side() -> None:
    cells = [cell for seed in range(5) for cell in cells_of(CDP(), seed=seed)]
    one, three, all_five = (disk(cells, in_bucket=False, slots=slots).checkpoints for slots in (1, 3, 99))
    assert (three, all_five) == (3 * one, 5 * one)


def test_a_training_that_is_written_to_a_file_and_read_back_is_kept_twice_more() -> None:
    trained = Training(data=CDP(), pairing=SimCLR(), arch="resnet18")
    read = Checkpoint(data=CDP(), arch="resnet18", source=trained, layout="flat")
    plan = build([LinearEvaluation(embedding=Embedding(encoder=read), task="all")], lambda data: None)
    alone = disk(cells_of(CDP()), in_bucket=False, slots=1).encoders
    both = disk(plan.cells.values(), in_bucket=False, slots=1).encoders
    assert both == alone + 2 * encoder_bytes("resnet18", "imagenet")


def test_resident_images_count_once_however_many_cells_read_them_and_streamed_ones_never() -> None:
    cells = [cell for seed in range(3) for cell in cells_of(CDP(), seed=seed)]
    assert memory(cells, on_gpu=True).resident == 24576 * 3 * 32**2
    assert memory(cells_of(IMAGENET_100, LARGE), on_gpu=True).resident == 0


def test_activations_are_close_to_what_a_backward_pass_keeps() -> None:
    network, kept = networks.encoder("resnet18", seed=0), []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.rand(2, 3, 64, 64))
    weights = {p.data_ptr() for p in network.state_dict().values()}
    sizes = {t.data_ptr(): t.numel() * t.element_size() for t in kept if t.data_ptr() not in weights}
    assert 2 * activation_bytes("resnet18", 64, "imagenet") == pytest.approx(sum(sizes.values()), rel=0.2)


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit", "test_convnext", "resnet10t"])
def test_activations_do_not_depend_on_the_mode_in_which_a_network_was_looked_at(arch: str) -> None:
    networks.forward_pass(arch, 32 if arch != "test_vit" else 160, training=True)
    one = networks.activation_bytes(arch, 160, "imagenet")
    networks.blank(arch).train()
    assert networks.activation_bytes(arch, 160, "imagenet") == one > 0


def test_networks_on_a_gpu_take_no_memory_of_the_machine() -> None:
    cells = cells_of(CDP(), arch="resnet50")
    assert memory(cells, on_gpu=True).process == PROCESS_BYTES < memory(cells, on_gpu=False).process


def test_views_of_a_training_on_a_gpu_follow_its_arithmetic_and_its_launches() -> None:
    training = Training(data=IMAGENET_100, pairing=SimCLR(), arch="resnet50", k_tr=256)
    forward = networks.forward_flops("resnet50", 224, "imagenet")
    seconds = 512 * 3 * forward / H100_FLOPS + H100_STEP_SECONDS
    assert views_per_second(training, on_gpu=True) == pytest.approx(512 / seconds)
    assert views_per_second(Embedding(encoder=training), on_gpu=True) == pytest.approx(H100_FLOPS / forward)


def test_loaders_are_those_that_keep_up_and_none_where_nothing_is_decoded_or_the_core_does_it_in_passing() -> None:
    by_kind = {cell.kind: cell for cell in cells_of(IMAGENET_100, LARGE, arch="resnet50")}
    needed = {kind: loaders_needed(cell, on_gpu=True) for kind, cell in by_kind.items()}
    rate = views_per_second(by_kind["training"].declaration, on_gpu=True)
    assert needed["training"] - 1 < rate / LOADER_VIEWS <= needed["training"]
    assert needed["embedding"] == needed["views"] > needed["training"]
    assert needed["evaluation"] == needed["geometry"] == 0
    assert loaders_needed(by_kind["training"], on_gpu=False) == 0
    assert all(loaders_needed(cell, on_gpu=True) == 0 for cell in cells_of(CDP(canvas=224)))


@pytest.mark.parametrize(
    ("wanted", "left", "given"), [(None, 100, 15), (None, 3, 3), (None, 0, 0), (None, -1, 0), (2, 7, 2), (0, 7, 0)]
)
def test_loaders_are_at_most_what_is_left(wanted: int | None, left: float, given: int) -> None:
    (cell,) = [cell for cell in cells_of(IMAGENET_100, LARGE, arch="resnet50") if cell.kind == "embedding"]
    assert loaders_of(cell, wanted, left, on_gpu=True) == given


def test_a_number_of_loaders_gives_none_to_a_job_that_decodes_nothing() -> None:
    assert {loaders_of(cell, 4, 8, on_gpu=True) for cell in cells_of(CDP())} == {0}


@pytest.mark.parametrize("budget", [10**6, 10**8, 10**9, 10**10])
def test_the_largest_side_fits_and_the_next_does_not(budget: int) -> None:
    side = largest_side(5_000, budget)
    assert 5_000 * 3 * (side + 32) ** 2 > budget
    assert 5_000 * 3 * side**2 <= budget


# What is told and refused


def test_a_plan_tells_disk_memory_and_loaders_in_a_line_each_and_nothing_when_it_is_done() -> None:
    cells = cells_of(IMAGENET_100, LARGE)
    starts = [line.split()[0] for line in room(cells, site(on_gpu=True))]
    assert starts == ["disk", "memory", "loaders", "loaders"]
    assert [line.split()[0] for line in room(cells_of(CDP()), site(on_gpu=True))] == ["disk", "memory"]
    assert list(room([], site())) == []


def test_what_is_told_of_disk_names_its_parts_and_what_is_free() -> None:
    line, *_ = room(cells_of(CDP()), site(Machine(memory=GIB, disk=5 * GIB, cores=2)))
    assert "in runs (5 GiB free)" in line and "images 72 MiB, embeddings 192 MiB" in line
    line, *_ = room(cells_of(CDP()), site(in_bucket=True, store="s3://b/p"))
    assert "in s3://b/p (a bucket)" in line


def test_loaders_are_told_of_a_gpu_and_of_a_core_and_those_used_of_this_machine() -> None:
    cells = cells_of(IMAGENET_100, LARGE, arch="resnet50")
    for fields, used in (({}, 7), ({"loaders": 2}, 2), ({"loaders": 0}, 0)):
        *_, gpu, core = room(cells, site(on_gpu=True, **fields))
        assert "an embedding on a GPU takes 3,670 views a second: 15 loader cores of 250" in gpu
        assert gpu.endswith(f"; {used} of this machine's 8 cores are used") and core.endswith("(assumed, not measured)")
    *_, gpu, core = room(cells, site())
    assert "no loader" in core and core.endswith("; 0 of this machine's 8 cores are used") and "used" not in gpu
    *_, gpu, core = room(cells, site(is_node=False))
    assert "used" not in gpu + core


def test_a_disk_that_is_too_small_is_refused_with_what_is_needed_and_one_that_suffices_is_not() -> None:
    cells = cells_of(IMAGENET_100, LARGE)
    needed = disk(cells, in_bucket=False, slots=2).total
    refuse_no_room(cells, site(replace(AMPLE, disk=needed)))
    refuse_no_room(cells, site(replace(AMPLE, disk=0), in_bucket=True))
    refuse_no_room([], site(replace(AMPLE, disk=0)))
    with pytest.raises(Refused, match=r"store: runs needs 1\.\d+ GiB more \(embeddings .*\) and has .* free; .*--only"):
        refuse_no_room(cells, site(replace(AMPLE, disk=needed - 1)))


def test_images_too_large_for_the_disk_are_refused_with_a_side_that_then_fits() -> None:
    data = Labelled(name="svhn", root="x", side=224)
    machine = replace(AMPLE, disk=6 * GIB)
    with pytest.raises(Refused, match="--axis side=") as refused:
        refuse_no_room(cells_of(data), site(machine))
    side = int(re.search(r"side=(\d+)", str(refused.value))[1])  # type: ignore[index]
    refuse_no_room(cells_of(replace(data, side=side)), site(machine))
    with pytest.raises(Refused):
        refuse_no_room(cells_of(replace(data, side=side + 32)), site(machine))


def test_images_too_large_for_the_memory_are_refused_with_a_side_unless_cells_run_elsewhere() -> None:
    data, machine = Labelled(name="svhn", root="x", side=224), replace(AMPLE, memory=8 * GIB)
    with pytest.raises(Refused, match=r"memory: the images take 13\.9 GiB, this machine has 8 GiB.*--axis side=") as it:
        refuse_no_room(cells_of(data, arch="resnet10t"), site(machine, on_gpu=True))
    side = int(re.search(r"side=(\d+)", str(it.value))[1])  # type: ignore[index]
    refuse_no_room(cells_of(replace(data, side=side), arch="resnet10t"), site(machine, on_gpu=True))
    refuse_no_room(cells_of(data, arch="resnet10t"), site(machine, is_node=False))
    with pytest.raises(Refused, match="a smaller canvas or fewer train_images"):
        refuse_no_room(cells_of(CDP(canvas=224, train_images=10**6)), site(machine, on_gpu=True))


def test_a_training_whose_activations_no_core_can_hold_is_refused_without_a_gpu_alone() -> None:
    cells, machine = cells_of(IMAGENET_100, LARGE, arch="resnet50", k_tr=256), replace(AMPLE, memory=16 * GIB)
    with pytest.raises(Refused, match=r"most of it for the activations of a step.*a GPU or"):
        refuse_no_room(cells, site(machine))
    refuse_no_room(cells, site(machine, on_gpu=True))


def test_trainings_that_fit_one_after_another_alone_are_refused_with_how_to_run_them_so() -> None:
    both = [cell for seed in (0, 1) for cell in cells_of(IMAGENET_100, LARGE, arch="resnet50", k_tr=128, seed=seed)]
    machine = replace(AMPLE, memory=24 * GIB)
    with pytest.raises(Refused, match=r"trainings in 2 processes take about 4\d\.\d GiB together.*--on here"):
        refuse_no_room(both, site(machine))
    refuse_no_room(both, site(machine, slots=1))
    refuse_no_room(cells_of(IMAGENET_100, LARGE, arch="resnet50", k_tr=128), site(machine))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (2**20, "1 MiB"), (18.5 * GIB, "18.5 GiB"), (1010 * GIB, "1,010 GiB")],
)
def test_an_amount_is_told_in_the_largest_unit_that_it_fills(size: float, text: str) -> None:
    assert amount(size) == text
