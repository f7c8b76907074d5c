"""Losses of a training: the default is NT-Xent to the bit, all resume, and negatives change no pair and no view."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from mi_ray.compute.images.image_set import ImageSet
from mi_ray.compute.images.pixels import pixels
from mi_ray.compute.pairs.augmentation import SimCLRView, plain
from mi_ray.compute.pairs.couples import WithinClass, WithItself
from mi_ray.compute.seeding import stream
from mi_ray.compute.training.losses import nt_xent, nt_xent_against, sup_con
from mi_ray.compute.training.mlp import fresh_mlp
from mi_ray.compute.training.networks import encoder
from mi_ray.compute.training.objectives import NTXentAgainstLoss, NTXentLoss, SupConLoss
from mi_ray.compute.training.trainer import Trainer

K_TR, STEPS, N, CLASSES, SIDE = 6, 6, 48, 3, 32
TEMPERATURE, RATE, WARMUP = 0.5, 1e-3, 2
LABELS = np.arange(N) % CLASSES


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pictures(n=N, seed=0):
    return np.random.default_rng(seed).integers(256, size=(n, 3, SIDE, SIDE), dtype=np.uint8)


DATA = ImageSet(pictures(), LABELS[:, None], np.arange(N))
FAR = pictures(20, seed=1)


def unlabelled(images: np.ndarray) -> ImageSet:
    return ImageSet(images, np.zeros((len(images), 0), np.int64), np.arange(len(images)))


OBJECTIVES = {"nt_xent": NTXentLoss(), "sup_con": SupConLoss(LABELS), "against": NTXentAgainstLoss(unlabelled(FAR))}
every = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)


def networks(seed=0):
    f_e = encoder("test_resnet", seed=seed)
    return f_e, fresh_mlp(f_e.num_features, hidden=32, out=16, seed=seed)


def trainer(*, couple=None, view=None, optimizer="adamw", dtype=torch.float32, k_tr=K_TR, data=DATA, **objective):
    return Trainer(
        *networks(), data, couple or WithItself(len(data)), view or SimCLRView(),
        k_tr=k_tr, steps=STEPS, temperature=TEMPERATURE, optimizer=optimizer, learning_rate=RATE, weight_decay=1e-4,
        warmup_steps=WARMUP, seed=0, dtype=dtype, device=torch.device("cpu"), **objective,
    )  # fmt: skip


def after(steps, run):
    losses = [run.step().item() for _ in range(steps)]
    return losses, {name: tensor.clone() for name, tensor in run.state().items()}


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


# The default


class LogDenominators(torch.autograd.Function):
    """Log denominators of Eq. 3 for few rows, and their gradient, as they were when NT-Xent was the only objective."""

    @staticmethod
    def forward(ctx, z, inverse):
        scores = (z @ z.T * inverse).fill_diagonal_(float("-inf"))
        ctx.save_for_backward(z, inverse, scores)
        return scores.logsumexp(1)

    @staticmethod
    def backward(ctx, upstream):
        z, inverse, scores = ctx.saved_tensors
        weights = (scores - scores.logsumexp(1, keepdim=True)).exp() * upstream[:, None]
        return (weights @ z * inverse).addmm_(weights.T, z * inverse), None


def nt_xent_before(z_x, z_y):
    z, inverse = normalize(torch.cat([z_x, z_y]), dim=1), torch.tensor(1 / TEMPERATURE)
    positive = (z[: len(z_x)] * z[len(z_x) :]).sum(1) * inverse
    return (LogDenominators.apply(z, inverse).view(2, -1).mean(0) - positive).mean()


def trained_before(steps):
    """The first steps of a training as they were when NT-Xent was the only objective, written in one piece."""
    f_e, f_p = (network.to(memory_format=torch.channels_last).train() for network in networks())
    weights = [*f_e.parameters(), *f_p.parameters()]
    decayed, plainly = [w for w in weights if w.ndim > 1], [w for w in weights if w.ndim <= 1]
    adamw = torch.optim.AdamW([{"params": decayed, "weight_decay": 1e-4}, {"params": plainly, "weight_decay": 0.0}],
                              lr=RATE, fused=True)  # fmt: skip
    for step in range(steps):
        rising = (step + 1) / WARMUP
        falling = (1 + np.cos(np.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2
        for group in adamw.param_groups:
            group["lr"] = RATE * float(rising if step < WARMUP else falling)
        rng = stream(0, "pairs", step)
        chosen = rng.integers(N, size=K_TR)
        images = torch.from_numpy(np.concatenate([DATA.images[chosen]] * 2))
        z = f_p(f_e(SimCLRView()(pixels(images), int(rng.integers(2**63)))))
        adamw.zero_grad()
        nt_xent_before(z[:K_TR], z[K_TR:]).backward()
        adamw.step()
    named = {"encoder": f_e, "projector": f_p}
    return {f"networks.{part}.{name}": w for part, f in named.items() for name, w in f.state_dict().items()}


@pytest.mark.parametrize("objective", [{}, {"objective": NTXentLoss()}], ids=["default", "nt_xent"])
def test_nt_xent_trains_the_bits_that_it_trained_when_it_was_the_only_objective(objective):
    _, state = after(3, trainer(**objective))
    assert_same_bits({n: w for n, w in state.items() if n.startswith("networks.")}, trained_before(3))


def test_the_estimate_of_eq_4_is_made_of_nt_xent_alone():
    assert {name: objective.estimates for name, objective in OBJECTIVES.items()} == {
        "nt_xent": True, "sup_con": False, "against": False,
    }  # fmt: skip


# Laws of all


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_resumed_at_step_three_is_the_uninterrupted_run(objective, optimizer, dtype):
    settings = {"objective": objective, "optimizer": optimizer, "dtype": dtype}
    losses, uninterrupted = after(STEPS, trainer(**settings))
    _, halfway = after(3, trainer(**settings))
    resumed = trainer(**settings)
    resumed.load(halfway)
    losses_after, state = after(STEPS - 3, resumed)
    assert losses_after == losses[3:]
    assert_same_bits(state, uninterrupted)


@every
def test_the_state_does_not_hold_the_objective(objective):
    assert trainer(objective=objective).state().keys() == trainer().state().keys()


def test_objectives_train_different_encoders():
    states = [after(1, trainer(objective=objective))[1] for objective in OBJECTIVES.values()]
    weights = [state["networks.projector.2.weight"] for state in states]
    assert not any(torch.equal(weights[i], weights[j]) for i, j in [(0, 1), (0, 2), (1, 2)])


def seen_by(steps=1, **settings):
    """All that the view was given and all that the encoder was given, call by call."""
    viewed, embedded, view = [], [], SimCLRView()

    def recorded(images, seed, rows):
        viewed.append(images)
        return view(images, seed, rows)

    run = trainer(view=recorded, **settings)
    run.networks["encoder"].register_forward_pre_hook(lambda _, inputs: embedded.append(*inputs))
    for _ in range(steps):
        run.step()
    return viewed, embedded


@every
def test_pairs_and_views_are_those_of_nt_xent(objective):
    _, expected = seen_by(steps=2)
    _, embedded = seen_by(steps=2, objective=objective)
    for views, theirs in zip(embedded, expected, strict=True):
        assert torch.equal(views[: 2 * K_TR], theirs)


def projections(rows):
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(0))


@every
def test_an_objective_is_a_function_of_projections_and_indices(objective):
    z, indices = projections(4 * K_TR - 2), np.tile(np.arange(K_TR), 2)
    z = z[: 2 * K_TR] if objective.negatives is None else z
    z_x, z_y, far = z[:K_TR], z[K_TR : 2 * K_TR], z[2 * K_TR :]
    expected = {
        NTXentLoss: lambda: nt_xent(z_x, z_y, temperature=0.2),
        SupConLoss: lambda: sup_con(z_x, z_y, torch.from_numpy(LABELS[:K_TR]), temperature=0.2),
        NTXentAgainstLoss: lambda: nt_xent_against(z_x, z_y, far, temperature=0.2),
    }
    assert torch.equal(objective(z, indices, temperature=0.2), expected[type(objective)]())


# SupCon


def test_sup_con_of_images_that_are_each_a_class_trains_the_bits_of_nt_xent():
    def distinct(k, rng):
        chosen = rng.permutation(N)[:k]
        return chosen, chosen

    _, one = after(3, trainer(couple=distinct, objective=SupConLoss(np.arange(N))))
    _, two = after(3, trainer(couple=distinct))
    assert_same_bits(one, two)


def test_sup_con_takes_couples_within_a_class():
    losses, _ = after(2, trainer(couple=WithinClass(LABELS, CLASSES), view=plain, objective=SupConLoss(LABELS)))
    assert np.isfinite(losses).all()


def test_sup_con_refuses_couples_across_classes():
    across = trainer(couple=lambda k, rng: (np.zeros(k, int), np.ones(k, int)), objective=SupConLoss(LABELS))
    with pytest.raises(ValueError, match="couple: a pair joins two classes"):
        across.step()


def test_sup_con_refuses_labels_of_another_number_of_images():
    with pytest.raises(ValueError, match="labels: 10 are given; allowed: one per image, 48"):
        trainer(objective=SupConLoss(LABELS[:10]))


# Negatives from another data set


def test_each_step_views_k_minus_1_negatives_twice_in_the_same_forward_pass():
    viewed, embedded = seen_by(objective=NTXentAgainstLoss(unlabelled(FAR)))
    (_, negatives), (views,) = viewed, embedded
    once, again = negatives.chunk(2)
    assert len(once) == K_TR - 1
    assert torch.equal(once, again)
    assert len(views) == 2 * K_TR + 2 * (K_TR - 1)
    one, other = views[2 * K_TR :].chunk(2)
    assert ((one - other).abs().amax((1, 2, 3)) > 0.1).all()


def test_negatives_are_drawn_anew_at_each_step_from_all_of_the_set():
    viewed, _ = seen_by(steps=STEPS, objective=NTXentAgainstLoss(unlabelled(FAR)))
    assert not torch.equal(viewed[1], viewed[3])
    drawn = {tuple(image.flatten().tolist()) for negatives in viewed[1::2] for image in negatives}
    known = {tuple(image.flatten().tolist()) for image in pixels(torch.from_numpy(FAR))}
    assert drawn <= known
    assert len(drawn) > len(FAR) / 2


def test_negatives_move_the_moments_of_batch_normalisation():
    dark = NTXentAgainstLoss(unlabelled(np.zeros_like(FAR)))
    _, one = after(1, trainer(objective=NTXentAgainstLoss(unlabelled(FAR))))
    _, two = after(1, trainer(objective=dark))
    moments = [name for name in one if name.endswith("running_mean")]
    assert moments
    assert all(not torch.equal(one[name], two[name]) for name in moments)


@pytest.mark.parametrize("negatives", [FAR[:0], FAR[..., :8, :8]], ids=["none", "smaller"])
def test_negatives_that_cannot_join_the_batch_are_refused(negatives):
    with pytest.raises(ValueError, match=r"negatives: \d+ images of \d+ pixels are not allowed; allowed: .* 32 pixels"):
        trainer(objective=NTXentAgainstLoss(unlabelled(negatives)))


def test_training_against_another_set_learns_an_easy_problem():
    """Pairs of dark images move away from negatives of noise."""
    losses, _ = after(STEPS, trainer(k_tr=16, objective=NTXentAgainstLoss(unlabelled(FAR // 8))))
    assert losses[-1] < losses[0] - 0.1
