"""Encoders that do not take their images are refused before anything is computed, all in one line."""

import pytest

from mi_ray.compute.choices import Input
from mi_ray.experiments.declare import CDP, Checkpoint, Embedding, LinearEvaluation, SameClass, Training
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.plan.fit import input_side, refuse_unfit
from mi_ray.launch import launch
from sweeps import infomin_grid

VIT = "vit_tiny_patch16_224"
GREY = (0.5, 0.5, 0.5)


def training(arch, **fields):
    return Training(**({"data": CDP(), "pairing": SameClass(task="all"), "arch": arch} | fields))


def read(arch, source="their.pth", **fields):
    return Checkpoint(**({"data": CDP(), "arch": arch, "source": source} | fields))


def questions_of(*encoders):
    return [LinearEvaluation(embedding=Embedding(encoder=encoder), task="all") for encoder in encoders]


def refusal_of(*encoders):
    with pytest.raises(Refused) as refusal:
        refuse_unfit(questions_of(*encoders))
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_encoders_that_take_their_images_are_not_refused():
    fits = (training("test_resnet"), training(VIT, data=CDP(canvas=224)), read("test_resnet"), read(VIT))
    refuse_unfit(questions_of(*fits))
    assert [input_side(encoder) for encoder in fits] == [32, 224, 160, 224]


def test_all_that_do_not_are_refused_in_one_line_each_once():
    line = refusal_of(training(VIT), training("test_resnet"), training(VIT, seed=1), training("botnet26t_256"))
    assert line.count("takes no images of 32 x 32 pixels") == 2
    assert line.startswith(f"arch: {VIT!r} takes no images") and line.endswith("; allowed: a side of 256")


def test_a_checkpoint_is_asked_about_images_as_it_sees_them():
    assert "takes no images of 96 x 96 pixels" in refusal_of(read(VIT, input=Input(96, GREY, GREY)))
    refuse_unfit(questions_of(read(VIT, input=Input(224, GREY, GREY))))


def test_a_training_written_in_a_file_is_asked_about_its_own_images():
    source = training(VIT)
    assert refusal_of(read(VIT, source)).count("takes no images of 32 x 32 pixels") == 1


@pytest.mark.parametrize("encoder", [training("resnet10t.mine"), read("resnet10t.mine")])
def test_an_unknown_tag_is_refused_with_those_that_there_are(encoder):
    assert refusal_of(encoder).endswith("allowed: resnet10t.c3_in1k")


def test_a_stem_that_an_arch_has_not_is_refused():
    assert refusal_of(training("test_vit", stem="cifar")).startswith("stem: test_vit has no stem to replace; allowed: ")


@pytest.mark.parametrize("how", [(), ("--dry-run",)])
def test_a_study_says_so_in_one_line_and_touches_nothing(how, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        axes = ("--axis", f"arch=resnet10t,{VIT}", "--store", str(tmp_path / "runs"), "--on", "here")
        launch(infomin_grid.STUDY, [*axes, *how])
    printed = capsys.readouterr()
    assert (left.value.code, printed.out.count("\n")) == (2, 1)
    assert printed.err.startswith(f"infomin_grid: arch: {VIT!r} takes no images of 32 x 32 pixels (")
    assert printed.err.endswith("; allowed: a side of 224\n") and printed.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
