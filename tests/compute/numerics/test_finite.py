"""NaN and infinity stop where they arise: named, counted, and never a number."""

from math import inf, nan

import numpy as np
import pytest
import torch

from benchmarks.peers.discovered import discover
from mi_ray.compute.estimation.baselines import club, donsker_varadhan, info_nce, jensen_shannon, ksg, mine, nwj, smile
from mi_ray.compute.estimation.critics import fit_critics
from mi_ray.compute.estimation.estimate import estimate
from mi_ray.compute.estimation.learned import LearnedCritics
from mi_ray.compute.estimation.posterior import confused, fit_posterior, score_posterior
from mi_ray.compute.estimation.problem import Problem
from mi_ray.compute.estimation.readings import Pairs, score
from mi_ray.compute.estimation.samples import Origin, Sample, flattened
from mi_ray.compute.frozen.checkpoint_files import encoder_state
from mi_ray.compute.frozen.embed import embed
from mi_ray.compute.frozen.embed_views import embed_views
from mi_ray.compute.images.duplicates import identities_of_rows
from mi_ray.compute.images.image_set import SPLITS, ImageSet
from mi_ray.compute.numerics.axes import PrincipalAxes
from mi_ray.compute.numerics.finite import NotFinite, refuse_numbers, refuse_rows, refuse_tensors
from mi_ray.compute.pairs.couples import WithinClass
from mi_ray.compute.probes import geometry
from mi_ray.compute.probes.accuracy import evaluate_linearly
from mi_ray.compute.probes.logistic import fit_probes
from mi_ray.compute.training.networks import encoder
from mi_ray.theory.channel import LabelChannel
from tests.compute.estimation.class_codes import SMALL, asked

LOST = [float("nan"), float("inf"), float("-inf")]
N, WIDTH, CLASSES = 64, 6, 4
LABELS = np.arange(N) % CLASSES
CHANNEL = LabelChannel.uniform(CLASSES)
PAIRS = Pairs(np.arange(32)[None], np.arange(32, 64)[None], np.arange(N))
CPU = torch.device("cpu")


def rows(seed=0, lost=None, shape=(N, WIDTH)):
    h = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    if lost is not None:
        h[5, 2] = lost
    return h


def probabilities(lost=None):
    p = np.random.default_rng(0).dirichlet(np.ones(CLASSES), size=N)
    if lost is not None:
        p[5, 2] = lost
    return p


def splits(split, lost):
    return {name: rows(number, lost if name == split else None) for number, name in enumerate(SPLITS)}


# The message


def test_a_message_names_the_first_rows_and_counts_all():
    h = rows()
    h[[3, 8, 9, 40]] = np.nan
    with pytest.raises(NotFinite, match=r"^h: 4 of 64 rows hold NaN or infinity \(row 3, row 8, row 9, and 1 more\)"):
        refuse_rows("h", h)
    with pytest.raises(NotFinite, match=r"\(8.png, 9.png, 40.png\)|\(3.png, 8.png, 9.png, and 1 more\)"):
        refuse_rows("h", h, [f"{i}.png" for i in range(N)])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_number_type_is_looked_at(kind):
    refuse_rows("h", torch.ones(4, 2, dtype=kind))
    with pytest.raises(NotFinite, match="1 of 4 rows"):
        refuse_rows("h", (torch.tensor([[1.0], [1.0], [float("inf")], [0.0]]) * torch.ones(4, 2)).to(kind))


@pytest.mark.parametrize("view", [lambda h: h[::-1], lambda h: h[:, ::-1], lambda h: h[::2, 1:], np.asfortranarray])
def test_rows_may_lie_in_memory_in_any_order(view):
    refuse_rows("h", view(rows()))
    with pytest.raises(NotFinite, match=r"^h: 1 of "):
        refuse_rows("h", view(rows(lost=np.nan)[1:]))
    assert ksg(view(rows()), view(rows(1))) == ksg(view(rows()).copy(), view(rows(1)).copy())


def test_numbers_without_a_nan_are_let_through_whatever_they_are():
    refuse_rows("h", np.arange(6).reshape(3, 2))
    refuse_rows("h", np.full((3, 2), 3e38, np.float32))
    refuse_rows("h", np.empty((0, 2)))
    refuse_tensors("weights", {"step": torch.tensor(3), "w": torch.ones(2, 2)})


def test_tensors_are_named_with_how_many_values():
    with pytest.raises(NotFinite, match=r"^file: 1 of 2 tensors hold NaN or infinity \(b: 3 of 4 values\)"):
        refuse_tensors("file", {"a": torch.ones(2), "b": torch.tensor([1.0, torch.inf, torch.nan, -torch.inf])})


def test_numbers_of_a_result_are_named_and_words_are_let_through():
    refuse_numbers("result", {"bits": 1.0, "certified": True, "note": "", "steps": 3, "critics": [{"x": float("nan")}]})
    with pytest.raises(NotFinite, match=r"^result: error is nan, bits is -inf; allowed: finite numbers"):
        refuse_numbers("result", {"error": float("nan"), "steps": 3, "bits": float("-inf")})


# Every entry


ENTRIES = {
    "axes": lambda lost: PrincipalAxes(torch.from_numpy(rows(lost=lost))),
    "axes, other rows": lambda lost: PrincipalAxes(torch.from_numpy(rows()))(torch.from_numpy(rows(lost=lost))),
    "probes": lambda lost: fit_probes(torch.from_numpy(rows(lost=lost)), [torch.from_numpy(LABELS)], [CLASSES], [1e-2]),
    "logits": lambda lost: fit_probes(torch.from_numpy(rows()), [torch.from_numpy(LABELS)], [CLASSES], [1e-2]).logits(
        torch.from_numpy(rows(lost=lost)), 0
    ),
    "accuracy, train": lambda lost: evaluated(splits("train", lost)),
    "accuracy, validation": lambda lost: evaluated(splits("validation", lost)),
    "accuracy, test": lambda lost: evaluated(splits("test", lost)),
    "posterior": lambda lost: fit_posterior(
        (torch.from_numpy(rows()), LABELS),
        (torch.from_numpy(rows(lost=lost)), LABELS),
        np.arange(N),
        CHANNEL.prior,
        penalties=[1e-2],
    ),
    "posterior's score": lambda lost: score_posterior(probabilities(lost), PAIRS, CHANNEL),
    "confusion": lambda lost: confused(probabilities(), LABELS, np.asarray(CHANNEL.prior), probabilities(lost)),
    "critics": lambda lost: fit_critics(
        (torch.from_numpy(rows()), WithinClass(LABELS, CLASSES)),
        (torch.from_numpy(rows(lost=lost)), WithinClass(LABELS, CLASSES)),
        SMALL,
    ),
    "critic's score": lambda lost: score(torch.from_numpy(rows(lost=lost)), PAIRS, temperature=0.1),
    "estimate, train": lambda lost: estimated(splits("train", lost)),
    "estimate, test": lambda lost: estimated(splits("test", lost)),
    "estimate of views": lambda lost: viewed(lost),
    "alignment": lambda lost: geometry.alignment(rows(lost=lost), LABELS, LABELS, np.arange(N)),
    "uniformity": lambda lost: geometry.uniformity(rows(lost=lost), np.arange(N)),
    "tolerance": lambda lost: geometry.tolerance(rows(lost=lost), geometry.Sampling(labels=LABELS), np.arange(N)),
    "geometry of views": lambda lost: geometry.of_views(rows(lost=lost)[:, None].repeat(2, 1), np.arange(N)),
    "ksg x": lambda lost: ksg(rows(lost=lost), rows(1)),
    "ksg y": lambda lost: ksg(rows(), rows(1, lost=lost)),
    "discovered": lambda lost: discover((rows(lost=lost), rows(1)), (rows(2), rows(3)), roundness=0.5, seed=0),
} | {
    of.__name__: lambda lost, of=of: of(torch.from_numpy(rows(lost=lost, shape=(8, 8))))
    for of in (info_nce, nwj, donsker_varadhan, jensen_shannon, smile, club, mine)
}


def evaluated(h):
    return evaluate_linearly(h, [dict.fromkeys(SPLITS, LABELS)], [CLASSES], np.arange(N), penalties=[1e-2])


def estimated(h):
    return asked(
        {split: Sample(of, LABELS, origin(of), WithinClass(LABELS, CLASSES)) for split, of in h.items()}, CHANNEL
    )


def origin(h):
    return Origin(identities=identities_of_rows(h), sources=np.arange(len(h)))


def viewed(lost):
    h = {split: of.reshape(N // 2, 2, WIDTH) for split, of in splits("test", lost).items()}
    samples = {split: flattened(views, origin(views)) for split, views in h.items()}
    return estimate(Problem(samples=samples, k_est=8, batches=2, seed=0), LearnedCritics(settings=SMALL))


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("entry", ENTRIES)
def test_no_entry_lets_a_value_through_that_is_not_finite(entry, lost):
    with pytest.raises(NotFinite, match=r"[12] of .* rows hold NaN or infinity"):
        ENTRIES[entry](lost)


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_takes_finite_values(entry):
    ENTRIES[entry](1.0)


# Encoders


class Overflowing(torch.nn.Module):
    """Its h is too large for float16 where an image is bright."""

    def forward(self, x):
        return (x.mean((2, 3)) * 40_000).half()


def images():
    dark = np.zeros((6, 3, 32, 32), dtype=np.uint8) + 127
    dark[4] = 255
    return ImageSet(dark, np.zeros((6, 1), np.int64), np.arange(6))


def test_an_image_whose_embedding_overflows_is_named():
    with pytest.raises(NotFinite, match=r"^embeddings: 1 of 6 rows hold NaN or infinity \(row 4\)"):
        embed(Overflowing(), images(), device=CPU)
    names = [f"red/{i}.png" for i in range(6)]
    with pytest.raises(NotFinite, match=r"\(red/4.png\)"):
        embed(Overflowing(), images(), device=CPU, names=names)
    with pytest.raises(NotFinite, match=r"\(red/4.png\)"):
        embed_views(Overflowing(), images(), lambda x, seed: x, per_image=2, seed=0, device=CPU, names=names)


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("name", ["conv1.0.weight", "bn1.bias", "bn1.running_var"])
def test_a_tensor_of_a_checkpoint_that_is_not_finite_is_named(name, lost):
    state = encoder("resnet10t", seed=0).state_dict()
    state[name].view(-1)[0] = lost
    with pytest.raises(NotFinite, match=rf"^checkpoint \(flat layout, .*1 of \d+ tensors.*\({name}: 1 of "):
        encoder_state(state, "resnet10t")


def test_a_number_too_large_for_the_encoder_is_not_finite():
    state = encoder("resnet10t", seed=0).state_dict()
    state["bn1.bias"] = state["bn1.bias"].double()
    state["bn1.bias"][1] = 1e300
    with pytest.raises(NotFinite, match=r"bn1.bias: 1 of"):
        encoder_state(state, "resnet10t")


def test_a_head_that_is_left_out_may_hold_anything():
    state = encoder("resnet10t", seed=0).state_dict() | {"fc.weight": torch.full((10, 512), torch.nan)}
    assert "fc.weight" not in encoder_state(state, "resnet10t")


def test_limits_may_be_infinite_but_not_nan():
    tensors = {"weight": torch.ones(2), "limit": torch.tensor([-inf, inf])}
    refuse_tensors("file", tensors, lambda: {"limit"})
    for broken in (tensors | {"weight": torch.tensor([1.0, inf])}, tensors | {"limit": torch.tensor([nan, inf])}):
        with pytest.raises(NotFinite, match=r"^file: 1 of 2 tensors hold NaN or infinity"):
            refuse_tensors("file", broken, lambda: {"limit"})


def test_limits_are_asked_for_only_where_a_tensor_is_not_finite():
    refuse_tensors("file", {"weight": torch.ones(2)}, lambda: pytest.fail("asked"))
