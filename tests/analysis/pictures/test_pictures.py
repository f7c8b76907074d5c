"""Pictures of any study: what they show is what the training saw and what was committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from analysis.page.collect import collect
from analysis.page.page import page
from analysis.page.provenance import listed_cells
from analysis.pictures import confusion, curves, embedding_map, pairs
from analysis.pictures.cells import Seen, images_of, seen, spread
from analysis.pictures.draw import NAMES, STAMP, draw
from analysis.pictures.files import description, save_picture
from analysis.pictures.labels import class_names
from analysis.verdict import CELLS, publish
from mi_ray.compute.images.image_set import SPLITS
from mi_ray.compute.probes.accuracy import evaluate_linearly
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.trainer import Trainer
from mi_ray.experiments.declare import CDP, Labelled, NTXent, SameClass, SimCLR, SupCon, Training
from mi_ray.experiments.images.pairs import couple, independent_sources, labelled, view
from mi_ray.experiments.images.prepared import PreparedData, prepare
from mi_ray.experiments.plan.plan import Cell, Plan, build
from mi_ray.experiments.store.files import append_line, write_json
from mi_ray.experiments.store.store import Store
from mi_ray.theory.information import nominal_bound_bits
from sweeps.infomin_grid import STUDY
from tests.analysis.test_report import GIVEN, Reader
from tests.committed import TINY, _manifest, result_of, story

FEW = CDP(train_images=1024, validation_images=1024, test_images=1024)
PENALTIES = (1e-3, 1e-1)
TASKS = ("color", "all")


def plan_of_images(digest: str) -> Plan:
    axes = TINY | {name: (getattr(FEW, name),) for name in ("train_images", "test_images")}
    return build(STUDY.questions(STUDY.grid("smoke", axes)), lambda data: digest)


def h_of(data: PreparedData, seed: int) -> dict[str, np.ndarray]:
    """Embeddings that tell the colour of an image and a little of the rest."""
    rng = np.random.default_rng(seed)
    found = {}
    for split in SPLITS:
        attributes = data.split(split).attributes
        one_hot = np.concatenate([np.eye(4)[attributes[:, column]] for column in range(3)], axis=1)
        found[split] = (one_hot @ rng.normal(size=(12, 16)) + rng.normal(size=(len(attributes), 16))).astype(np.float32)
    return found


def commit(cell: Cell, store: Store, data: PreparedData) -> None:
    """A cell with real embeddings, and evaluations that were really made on them."""
    attempt, result = store.attempt(cell.key), result_of(cell)
    write_json(attempt.payload / "declaration.json", story(cell.declaration))
    if cell.kind == "training":
        for step, loss in ((5, 4.6), (10, 3.5), (15, 3.0)):
            append_line(
                attempt.payload / "history.jsonl", {"step": step, "loss_nats": loss, "in_training_bits": 7 - loss}
            )
    if cell.kind == "embedding":
        save_file(h_of(data, 0), attempt.payload / "h.safetensors")
    if cell.kind == "evaluation":
        splits = {split: labelled(cell.parameters["task"], data.split(split)) for split in SPLITS}
        (accuracy,) = evaluate_linearly(
            h_of(data, 0), [{split: labels for split, (labels, _) in splits.items()}], [splits["train"][1]],
            independent_sources(data.split("test")), penalties=PENALTIES,
        )  # fmt: skip
        result |= {"linear_accuracy": accuracy.accuracy, "linear_penalty": accuracy.penalty}
    write_json(attempt.payload / "result.json", result)
    attempt.publish(_manifest(cell))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Plan, PreparedData, Path]]:
    """A store with images, two encoders and their evaluations, and the list of its cells in a folder of figures."""
    store = Store(tmp_path_factory.mktemp("runs"))
    store.prepare()
    data = prepare(FEW, store)
    plan = plan_of_images(data.digest)
    for cell in plan.cells.values():
        commit(cell, store, data)
    out = store.root / "figures" / "infomin_grid" / "smoke"
    out.mkdir(parents=True)
    publish(plan, out, [], GIVEN)
    yield store, plan, data, out


def cells_of(made: tuple[Store, Plan, PreparedData, Path], kind: str) -> list[Seen]:
    store, plan, _, _ = made
    return seen([(cell.key, cell.kind, plan.name(cell)) for cell in plan.cells.values() if cell.kind == kind], store)


def listed(out: Path) -> list[tuple[str, str, str]]:
    return [(cell.key, cell.kind, cell.name) for cell in listed_cells(out / CELLS)]


@pytest.mark.parametrize("pairing", [SameClass(task="digit"), SimCLR(jitter_strength=1.5)])
def test_the_pairs_are_those_of_the_trainings_first_step(made, pairing) -> None:
    _, _, data, _ = made
    images = data.split("train")
    training = Training(data=FEW, pairing=pairing, arch="resnet10t", k_tr=16, seed=3)
    x, y = pairs.first_pairs(training, images, data.names("train"), 5)
    trainer = Trainer(
        torch.nn.Flatten(), fresh_mlp(3 * 32 * 32, hidden=8, out=4, seed=0), images, couple(pairing, images),
        view(pairing), k_tr=16, steps=2, temperature=0.2, optimizer="sgd", learning_rate=0.1, weight_decay=0.0,
        warmup_steps=0, seed=3, dtype=torch.float32, device=torch.device("cpu"),
    )  # fmt: skip
    indices, views = trainer._pairs(0).indices, trainer._views(0)
    assert x.rows.tolist() == indices[:5].tolist() and y.rows.tolist() == indices[16:21].tolist()
    for row, first in ((x, 0), (y, 16)):
        expected = (views[first : first + 5] * 0.25 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy() * 255
        assert np.abs(row.images - expected).max() <= 0.51
    other = pairs.first_pairs(replace(training, seed=4), images, data.names("train"), 5)[0]
    assert other.rows.tolist() != x.rows.tolist()
    if isinstance(pairing, SameClass):
        digits = images.attributes[:, 1]
        assert (digits[x.rows] == digits[y.rows]).all() and (x.rows != y.rows).all()
    else:
        assert (x.rows == y.rows).all() and (x.images != y.images).any()


def test_pairs_of_a_folder_of_labelled_images_are_drawn_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    declared = Labelled(name="folder", root=str(tmp_path / "images"), side=32, held_out=0.2)
    data = prepare(declared, Store(tmp_path / "runs"))
    trainings = [
        Training(data=declared, pairing=pairing, arch="resnet10t", k_tr=8)
        for pairing in (SameClass(task="class"), SimCLR())
    ]
    png, table = pairs.draw([(training, data) for training in trainings], tmp_path)
    rows = pd.read_csv(table)
    assert set(rows["row"]) == {"images of train", "x", "y"} and rows["image"].str.contains("cat|dog").all()
    same = rows[rows["block"] == "class: same class"].set_index(["row", "place"])["image"].str.partition("/")[0]
    assert (same["x"] == same["y"]).all() and len(same["x"]) == 8
    assert "simclr: two views" in description(png.read_bytes())


def test_a_training_is_read_back_with_its_key_or_not_at_all(made) -> None:
    trainings = cells_of(made, "training")
    assert [known.training for known in trainings] == [
        cell.declaration for cell in made[1].cells.values() if cell.kind == "training"
    ]
    (known, _) = trainings
    told = dict(known.cell.declaration)
    for wrong in ({"seed": 7}, {"pairing": {"kind": "NoSuch"}}, {"no_such_field": 1}):
        changed = Seen(known.kind, known.name, known.cell)
        object.__setattr__(changed, "cell", Changed(known.cell, told | {"training": told["training"] | wrong}))
        assert changed.training is None


class Changed:
    """A cell with another declaration."""

    def __init__(self, cell, declaration) -> None:
        self.key, self.manifest, self.declaration = cell.key, cell.manifest, declaration


def test_the_curves_are_the_committed_history_with_bound_and_ceiling(made) -> None:
    tidy = curves.table(cells_of(made, "training"))
    assert len(tidy) == 6 and tidy["loss_nats"].tolist() == [4.6, 3.5, 3.0] * 2
    assert tidy["views"].tolist() == [2 * 64 * step for step in (5, 10, 15)] * 2
    assert (tidy["bound_bits"] == nominal_bound_bits(64)).all()
    ceilings = tidy.groupby("training", sort=False)["ceiling_bits"].first()
    assert ceilings["pairing=color"] < 2.1 < ceilings["pairing=all"] < nominal_bound_bits(64)
    assert "lower at the end than at the start in 2: it starts at 4.60 nats and ends at 3.00 nats" in curves.alt_of(
        tidy
    )


def test_the_confusion_is_that_of_the_committed_probe(made) -> None:
    _, _, data, _ = made
    first = cells_of(made, "embedding")[0].key
    evaluations = [cell for cell in cells_of(made, "evaluation") if cell.upstream == first]
    by_task = {cell.cell.declaration["evaluation"]["task"]: cell for cell in evaluations}
    found = confusion.confusions(by_task, h_of(data, 0), data, "an encoder")
    assert [one.task for one in found] == list(TASKS) and [len(one.classes) for one in found] == [4, 64]
    for one in found:
        assert one.accuracy == pytest.approx(one.evaluation.cell.result["linear_accuracy"], abs=1e-12)
        assert one.counts.sum() == 1024 and one.shares.sum(1) == pytest.approx(1)
    assert found[0].classes == ["red", "green", "blue", "white"] and found[1].classes[1] == "red 2 upper right"
    assert f"task color: {100 * found[0].accuracy:.0f} % right" in confusion.alt_of(found)


def test_the_map_is_a_seeded_sample_on_principal_axes(made) -> None:
    _, _, data, _ = made
    h = h_of(data, 0)["test"]
    (one, again) = (embedding_map.mapped(cells_of(made, "embedding")[0], h, data, TASKS) for _ in range(2))
    assert one.places.shape == (embedding_map.SAMPLE, 2) and (one.places == again.places).all()
    variances = one.places.var(0)
    assert variances[0] > variances[1] and abs(np.corrcoef(one.places.T)[0, 1]) < 1e-6
    assert 0 < one.kept < 1 and {len(one.labels[task]) for task in TASKS} == {embedding_map.SAMPLE}
    assert embedding_map.apart(np.array([[0, 0], [0, 0], [1, 1], [1, 1]]), np.array([0, 0, 1, 1])) == 1
    assert embedding_map.apart(np.array([[0, 0], [1, 1], [0, 0], [1, 1]]), np.array([0, 0, 1, 1])) == 0


def test_all_pictures_are_drawn_once_and_again_only_if_a_cell_changed(made) -> None:
    store, _, _, out = made
    assert {path.name for path in draw(out, listed(out), store)} == {
        f"{n}{end}" for n in NAMES for end in (".png", ".csv")
    }
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert draw(out, listed(out), store) == []
    (out / STAMP).unlink()
    assert len(draw(out, listed(out), store)) == 8
    assert first == {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(draw(out, listed(out)[:1], store)) == 4, "other cells: pairs and curves of one training"
    assert len(draw(out, listed(out), store)) == 8
    assert all((out / f"{name}.png").stat().st_size < 200_000 for name in NAMES)


def test_the_report_shows_every_picture_with_words_a_csv_and_few_rows(made) -> None:
    store, _, _, out = made
    draw(out, listed(out), store)
    text = page(collect(store.root))
    shown = Reader(text)
    alts = [str(image["alt"]) for image in shown.all("img")]
    assert [alt.partition(" ")[0] for alt in alts] == list(NAMES)
    for alt, words in zip(alts, ("above its partner", "it starts at", "between classes", "most often"), strict=True):
        assert words in alt
    links = {str(link["href"]) for link in shown.all("a")}
    assert {f"figures/infomin_grid/smoke/{name}.csv" for name in NAMES} <= links
    assert len(text) < 600_000 and "more rows in embedding-map.csv" in shown.words()


def test_what_cannot_be_read_leaves_out_its_picture_alone(made, tmp_path: Path) -> None:
    store, _, _, out = made
    bare = Store(tmp_path)
    bare.prepare()
    for path in store.cells.iterdir():
        (bare.cells / path.name).symlink_to(path)
    written = {path.name for path in draw(tmp_path, listed(out), bare)}
    assert written == {"training-curves.png", "training-curves.csv"}, "its images are not here"
    assert images_of("no such digest", store) is None and draw(tmp_path, [("a", "training", "a")], bare) == []


def test_a_png_says_itself_what_is_seen_and_other_bytes_say_nothing(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    path = save_picture(Figure, tmp_path / "a.png", "a <b> ✓")
    assert description(path.read_bytes()) == "a <b> ✓"
    assert [description(png) for png in (b"", b"\x89PNG\r\n\x1a\n and so on", path.read_bytes()[:60])] == [""] * 3


def test_classes_are_named_by_attributes_or_folders_or_numbers() -> None:
    labels = np.array([0, 1, 1])
    assert class_names("class", labels, 2, ["t/cat/1", "t/dog/1", "t/dog/2"]) == ["cat", "dog"]
    assert class_names("class", labels, 2, ["t/cat/1", "t/dog/1", "t/cow/2"]) == ["class 0", "class 1"]
    assert class_names("class", labels, 2, ["image 1", "image 2", "image 3"]) == ["class 0", "class 1"]
    assert len(class_names("color+digit", labels, 16, [])) == 16 == len(set(class_names("color+digit", labels, 16, [])))


def test_a_few_are_chosen_at_even_distances_with_both_ends() -> None:
    assert spread(range(10), 4) == [0, 3, 6, 9] and spread(range(3), 4) == [0, 1, 2] and spread([5, 6], 1) == [5]


def test_every_class_of_a_declaration_can_be_read_back() -> None:
    from analysis.pictures.cells import READ_BACK

    assert {CDP, Labelled, SameClass, SimCLR, NTXent, SupCon} <= set(READ_BACK.values())


def test_a_picture_that_cannot_be_drawn_is_said_and_tried_again(tmp_path: Path, monkeypatch, capsys) -> None:
    def broken(*_: object) -> list[Path]:
        raise KeyError("a field of another version")

    store = Store(tmp_path / "runs")
    store.prepare()
    with monkeypatch.context() as patch:
        patch.setattr(curves, "draw", broken)
        draw(tmp_path, [], store)
    assert "report: training-curves is left out: KeyError: 'a field of another version'" in capsys.readouterr().err
    assert not (tmp_path / STAMP).exists()
    draw(tmp_path, [], store)
    assert (tmp_path / STAMP).exists() and not capsys.readouterr().err
