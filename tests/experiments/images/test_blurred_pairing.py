"""SimCLR with blur as a declared pairing: its view, key, parameters and a whole run on its views."""

from dataclasses import fields, replace

import pytest
import torch

from mi_ray.compute.pairs.augmentation import SimCLRView
from mi_ray.compute.pairs.blur import BlurredView
from mi_ray.experiments.declare import (
    Embedding,
    Estimation,
    Geometry,
    Labelled,
    LinearEvaluation,
    SimCLR,
    SimCLRWithBlur,
    Training,
    Views,
    pairing_called,
    pairing_name,
)
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.declare.identity import cell_key
from mi_ray.experiments.declare.parameters import parameters
from mi_ray.experiments.images.pairs import view
from mi_ray.experiments.images.prepared import prepare
from mi_ray.experiments.plan.plan import build
from mi_ray.experiments.run.serial import run_here
from mi_ray.experiments.store.store import Store
from tests.quiet import Quiet

DIGITS = Labelled(name="digits", half="first", held_out=0.2)
BLURRED = SimCLRWithBlur()


def training(pairing):
    return Training(data=DIGITS, pairing=pairing, arch="resnet10t", k_tr=8, views=48, hidden=16, out=8)


def test_a_name_says_it_and_gives_it_back():
    assert pairing_called("simclr_blur") == BLURRED
    assert pairing_name(BLURRED) == "simclr_blur"


def test_its_view_is_simclrs_then_the_blur():
    x = torch.rand((4, 3, 32, 32), generator=torch.Generator().manual_seed(0)) - 0.5
    before = SimCLRView(crop_min_scale=0.08, jitter_strength=1.0)
    expected = BlurredView(simclr=before, share=0.5, sigma_min=0.1, sigma_max=2.0)(x, 3)
    assert torch.equal(view(BLURRED)(x, 3), expected)
    assert not torch.equal(expected, before(x, 3))


@pytest.mark.parametrize("field", [field.name for field in fields(SimCLRWithBlur)])
def test_every_field_enters_key_and_parameters(field):
    other = training(replace(BLURRED, **{field: 0.3}))
    assert cell_key(other, "d") != cell_key(training(BLURRED), "d")
    assert parameters(other)[field] == "0.3" != parameters(training(BLURRED))[field]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("blur", 1.5),
        ("sigma_min", 0.0),
        ("sigma_min", 3.0),
        ("sigma_max", 1e3),
        ("flip", 2.0),
        ("jitter_strength", 3.0),
    ],
)
def test_nonsense_is_refused_with_the_field(field, wrong):
    with pytest.raises(Refused, match=field):
        SimCLRWithBlur(**{field: wrong})


def test_an_encoder_is_trained_with_it_and_asked_about_its_views(tmp_path):
    store = Store(tmp_path)
    encoder, data = training(BLURRED), prepare(DIGITS, store)
    views = Views(encoder=encoder, pairing=BLURRED, per_image=2)
    questions = [
        LinearEvaluation(embedding=Embedding(encoder=encoder), task="class"),
        Estimation(embedding=views, pairing=BLURRED, k_est=32, batches=2, critics=1, k_fit=8, steps=2),
        Geometry(embedding=views, pairing=BLURRED),
    ]
    plan = build(questions, lambda _: data.digest)
    store.prepare()
    run_here(plan.missing_jobs(store), {data.digest: data}, store, Quiet())
    results = {cell.kind: store.read(cell.key).result for cell in plan.cells.values()}
    assert results["geometry"]["alignment"] > 0
    assert "nominal_bits" in results["estimation"]


def test_views_of_another_pairing_are_refused():
    views = Views(encoder=training(BLURRED), pairing=BLURRED)
    with pytest.raises(Refused, match="pairing"):
        Estimation(embedding=views, pairing=SimCLR())
