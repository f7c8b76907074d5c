"""Keys: everything that makes the science, nothing that does not."""

from dataclasses import fields, replace

import pytest

from mi_ray.compute.frozen.published import IMAGENET
from mi_ray.experiments.declare import (
    CDP,
    Checkpoint,
    Embedding,
    Estimation,
    Geometry,
    LinearEvaluation,
    SameClass,
    SimCLR,
    SupCon,
    Training,
    Views,
)
from mi_ray.experiments.declare.identity import UPSTREAM_FIELDS, canonical, cell_key, story
from tests.made_up_critic import Cosine

DIGEST = "0" * 64
TRAINING = Training(data=CDP(), pairing=SameClass(task="color"), arch="resnet10t")
EMBEDDING = Embedding(encoder=TRAINING)
ESTIMATION = Estimation(embedding=EMBEDDING, pairing=SameClass(task="digit"), temperature=0.1, weight_decay=1e-2)
EVALUATION = LinearEvaluation(embedding=EMBEDDING, task="digit")
CHECKPOINT = Checkpoint(data=CDP(), arch="resnet10t", source=TRAINING)
VIEWS = Views(encoder=TRAINING, pairing=SimCLR())
GEOMETRY = Geometry(embedding=EMBEDDING, pairing=SameClass(task="digit"))

OTHERWISE = {
    TRAINING: {
        "pairing": SameClass(task="all"),
        "arch": "resnet18",
        "stem": "cifar",
        "objective": SupCon(task="color"),
        "k_tr": 65,
        "temperature": 0.3,
        "views": 90_000,
        "optimizer": "sgd",
        "learning_rate": 2e-3,
        "weight_decay": 0.0,
        "warmup": 0.2,
        "batch_norm_parts": 2,
        "hidden": 256,
        "out": 64,
        "precision": "float32",
        "seed": 1,
    },
    EMBEDDING: {},
    ESTIMATION: {
        "pairing": SameClass(task="all"),
        "k_est": 64,
        "batches": 16,
        "critics": 1,
        "k_fit": 64,
        "temperature": 0.05,
        "steps": 200,
        "learning_rate": 2e-3,
        "weight_decay": 0.0,
        "patience": 5,
        "penalties": (1e-3,),
        "seed": 1,
        "own": (Cosine(),),
    },
    EVALUATION: {"task": "all", "penalties": (1e-3,)},
    CHECKPOINT: {"layout": "moco", "stem": "cifar", "input": IMAGENET, "hidden": 256, "out": 64},
    VIEWS: {"pairing": SimCLR(flip=0.0), "per_image": 3, "seed": 1},
    GEOMETRY: {"pairing": SameClass(task="all")},
}
"""Another value for every field of every kind of cell."""

PAIRINGS = {
    SameClass(task="color"): {"task": "digit", "prior": "empirical", "redraw": 0.5},
    SimCLR(): {"crop_min_scale": 0.3, "flip": 0.0, "jitter_strength": 1.0, "jitter": 0.0, "grayscale": 0.0},
}

CHANGES = [(declaration, name) for declaration, others in OTHERWISE.items() for name in others]
PAIRING_CHANGES = [(pairing, name) for pairing, others in PAIRINGS.items() for name in others]


def key(declaration, digest=DIGEST):
    return cell_key(declaration, digest)


@pytest.mark.parametrize("declaration", [*OTHERWISE, *PAIRINGS], ids=lambda d: type(d).__name__)
def test_the_tables_here_name_every_field(declaration):
    own = {field.name for field in fields(declaration)} - UPSTREAM_FIELDS
    tied = {"arch", "weights"} if declaration is CHECKPOINT else set()  # to its training
    assert own - getattr(declaration, "LABELS", set()) - tied == set((OTHERWISE | PAIRINGS)[declaration])


@pytest.mark.parametrize(("declaration", "name"), CHANGES, ids=lambda v: v if isinstance(v, str) else type(v).__name__)
def test_any_field_of_a_declaration_changes_its_key(declaration, name):
    assert key(replace(declaration, **{name: OTHERWISE[declaration][name]})) != key(declaration)


@pytest.mark.parametrize(("pairing", "name"), PAIRING_CHANGES, ids=str)
def test_any_field_of_a_pairing_changes_the_key_of_its_training(pairing, name):
    other = replace(pairing, **{name: PAIRINGS[pairing][name]})
    assert key(replace(TRAINING, pairing=other)) != key(replace(TRAINING, pairing=pairing))


def test_a_checkpoint_file_is_known_by_its_contents_wherever_it_lies(tmp_path):
    for name, text in (("a.pth", "one"), ("b.pth", "one"), ("c.pth", "two")):
        (tmp_path / name).write_text(text)
    a, b, c, gone = (replace(CHECKPOINT, source=str(tmp_path / f"{name}.pth")) for name in "abcd")
    assert key(a) == key(b) == key(replace(a, name="SwAV", allow_code=True))
    assert len({key(a), key(c), key(gone), key(CHECKPOINT), key(replace(a, arch="resnet18"))}) == 5
    assert key(replace(a, layout="moco")) == key(a)
    assert len({key(replace(a, weights=weights)) for weights in ("", "raw", "averaged", "student.")}) == 4


@pytest.mark.parametrize("question", [EMBEDDING, ESTIMATION, EVALUATION, GEOMETRY], ids=lambda d: type(d).__name__)
def test_the_key_changes_with_what_is_upstream(question):
    other = Embedding(encoder=replace(TRAINING, seed=1))
    changed = other if question is EMBEDDING else replace(question, embedding=other)
    assert key(changed) != key(question)


@pytest.mark.parametrize("declaration", OTHERWISE, ids=lambda d: type(d).__name__)
def test_the_content_of_the_images_enters_the_key(declaration):
    assert key(declaration, "1" * 64) != key(declaration)


@pytest.mark.parametrize("declaration", OTHERWISE, ids=lambda d: type(d).__name__)
def test_folders_never_enter_a_key(declaration):
    moved = replace(TRAINING, data=CDP(digits="/scratch/mnist", backgrounds="/scratch/imagenet"))
    elsewhere = {
        TRAINING: moved,
        EMBEDDING: Embedding(encoder=moved),
        ESTIMATION: replace(ESTIMATION, embedding=Embedding(encoder=moved)),
        EVALUATION: replace(EVALUATION, embedding=Embedding(encoder=moved)),
        CHECKPOINT: replace(CHECKPOINT, data=moved.data, source=moved),
        VIEWS: replace(VIEWS, encoder=moved),
        GEOMETRY: replace(GEOMETRY, embedding=Embedding(encoder=moved)),
    }
    assert key(elsewhere[declaration]) == key(declaration)


@pytest.mark.parametrize("declaration", OTHERWISE, ids=lambda d: type(d).__name__)
def test_the_protocol_version_enters_the_key(declaration, monkeypatch):
    before = key(declaration)
    monkeypatch.setattr(type(declaration), "protocol", 999)
    assert key(declaration) != before


def test_the_kind_is_told_by_the_key():
    kinds = [key(declaration).rpartition("-")[0] for declaration in OTHERWISE]
    assert kinds == ["training", "embedding", "estimation", "evaluation", "checkpoint", "views", "geometry"]


def test_golden_keys_stand_still():
    """If they move, so does every number that rests on them: raise the protocol and say so in the CHANGELOG."""
    assert [key(declaration) for declaration in OTHERWISE] == GOLDEN


GOLDEN = [
    "training-7aa08ab90a245f94d47f",
    "embedding-46002411ff1d29ddcf47",
    "estimation-18f7d167c7da7da5d333",
    "evaluation-af8d97c8e991f89fdbdb",
    "checkpoint-d4a726f1d6db27b278ed",
    "views-1e3cb648a4c8fafaf3dc",
    "geometry-2ce31812eb556ca4d4fb",
]


def test_equal_declarations_have_equal_keys():
    whole, decimal = replace(TRAINING, temperature=1), replace(TRAINING, temperature=1.0)
    assert whole == decimal and key(whole) == key(decimal)


def test_canonical_text_ignores_order_and_refuses_nan():
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"a": float("nan")})


def test_the_story_of_a_question_names_everything_upstream():
    text = story(ESTIMATION)
    assert list(text) == ["estimation", "embedding", "training", "data"]
    assert text["estimation"]["pairing"] == {"kind": "SameClass", "task": "digit", "prior": "uniform", "redraw": 0.0}
