"""The order of work: flags become typed options, and the plan follows from the study, its grid and the store."""

import sys
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from mi_ray.experiments.declare.checks import Refused
from mi_ray.launch import options_of, run
from mi_ray.running.order import plan_of
from mi_ray.running.refusals import refuse_absent_packages, refuse_unknown_panels
from tests.own import Length
from tests.running.studies import OPTIONS, SMALL, order_in, trial


def test_flags_become_options_and_absent_ones_defaults():
    assert options_of(SMALL, []) == replace(OPTIONS, on="ray")
    flags = [
        "--axis",
        "seed=1,2",
        "--only",
        "training*",
        "--workers",
        "2",
        "--gpus",
        "0.5",
        "--loaders",
        "3",
        "--store",
        "s3://b/p",
        "--slots",
        "2",
        "--retry",
    ]
    assert options_of(SMALL, [*flags, "--dry-run", "--address", "auto", "--tracking-uri", "http://h"]) == replace(
        OPTIONS, on="ray", axes={"seed": (1, 2)}, only="training*", workers=2, gpus=0.5, loaders=3, store="s3://b/p",
        dry_run=True, address="auto", tracking_uri="http://h", cores=2, retry=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"on": "here", "cores": 2}, "1 with --on here"),
        ({"on": "ray", "address": "auto", "cores": 2}, "nothing with --address"),
        ({"on": "ray", "cores": 0}, "a whole number >= 1"),
    ],
)
def test_slots_are_refused_where_this_command_does_not_decide_them(tmp_path, options, allowed):
    with pytest.raises(Refused, match=f"slots: {options['cores']} is not allowed; allowed: {allowed}"):
        refuse_absent_packages(order_in(tmp_path, **options))
    assert order_in(tmp_path, on="ray", cores=3).options.slots == 3


def test_an_order_and_its_options_cannot_be_changed(tmp_path):
    order = order_in(tmp_path)
    for value in (order, order.options):
        for field in fields(value):
            with pytest.raises(FrozenInstanceError):
                setattr(value, field.name, None)


def test_an_order_holds_the_whole_plan_and_the_part_that_only_selects(tmp_path):
    order = order_in(tmp_path, only="training pairing=color")
    assert (len(order.whole.cells), len(order.plan.cells)) == (6, 1)
    assert (
        order_in(tmp_path).plan.cells
        == order.whole.cells
        == plan_of(SMALL, order.grid, order.digest_of, order.store).cells
    )


def test_a_pattern_that_matches_no_cell_is_refused_with_one_that_would(tmp_path):
    with pytest.raises(Refused, match=r"only: 'nothing' is not allowed.* such as 'training pairing=color'"):
        order_in(tmp_path, only="nothing")


def test_a_renewed_order_has_the_keys_of_the_prepared_images(tmp_path):
    order = order_in(tmp_path)
    renewed = order.renewed(lambda data: "d" * 64)
    assert {cell.data_digest for cell in order.plan.cells.values()} == {"unprepared"}
    assert {cell.data_digest for cell in renewed.plan.cells.values()} == {"d" * 64}
    assert renewed.renewed().plan == renewed.plan
    assert (renewed.study, renewed.grid, renewed.options) == (order.study, order.grid, order.options)


def test_two_encoders_of_one_data_set_prepare_it_once(tmp_path):
    order = order_in(tmp_path)
    assert (len(order.questions), len(order.data), order.titles) == (2, 1, [])


def test_a_dry_run_needs_no_optional_package(tmp_path, monkeypatch, capsys):
    for name in ("ray", "optuna", "mlflow"):
        monkeypatch.setitem(sys.modules, name, None)
    assert run(order_in(tmp_path, dry_run=True)) == 0
    assert "6 cells, 0 done" in capsys.readouterr().out


def test_a_panel_of_a_number_that_an_own_question_does_not_declare_is_refused(tmp_path):
    def asked(*, power: float = 1.0) -> tuple[Length, ...]:
        return tuple(Length(embedding=question.embedding, power=power) for question in trial())

    study = replace(SMALL, trial=asked, axes={}, presets={"all": {}})
    for panels in ({"length": "length"}, {"length": "length_standard_error"}, {"evaluation": "x"}):
        refuse_unknown_panels(order_in(tmp_path, replace(study, matrix=replace(SMALL.matrix, panels=panels))))
    wrong = replace(study, matrix=replace(SMALL.matrix, panels={"length": "lenght"}))
    with pytest.raises(Refused, match=r"panels: length: 'lenght' is not allowed; allowed: .*did you mean 'length'"):
        refuse_unknown_panels(order_in(tmp_path, wrong))
