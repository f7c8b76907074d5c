"""A checkpoint that is torn, or that a full disk leaves no room for: an older one is used."""

import pytest

from tests.experiments.run.test_loop import (  # with the fixtures of a training
    STEPS,
    again,
    as_it_was,
    assert_same_run,
    cut_off,
    data,
    state_and_history,
)
from tests.faults.disks import largest_file

__all__ = ["as_it_was", "data"]


def torn(path, damage):
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    else:
        del content[int(damage * len(content)) :]
    path.write_bytes(content)


@pytest.mark.fault("F16", "the newest checkpoint cut at 0, 0.1, 50, 99.9 %, or a byte of it flipped")
@pytest.mark.parametrize("damage", [0.0, 0.001, 0.5, 0.999, "flipped"])
def test_a_torn_newest_checkpoint_is_named_and_the_older_one_is_used(
    store, data, monkeypatch, capsys, damage, recovery
):
    kept = cut_off(store, data, monkeypatch, visit=STEPS - 2)
    torn(kept[-1], damage)
    second, history = again(store, data)
    assert second.taken[0] == STEPS - 4
    assert f"{kept[-1]} is damaged" in capsys.readouterr().err
    recovery.redone = f"{int(kept[-1].name[:9]) - second.taken[0]} step"
    assert [record["step"] for record in history.records] == list(range(1, STEPS + 1))


@pytest.mark.fault("F15", "no room for a checkpoint")
def test_a_disk_that_fills_up_leaves_the_earlier_checkpoints_and_the_training_goes_on_from_there(
    store, data, monkeypatch
):
    kept = cut_off(store, data, monkeypatch, visit=8)
    before = {path: path.read_bytes() for path in kept}
    with largest_file(min(map(len, before.values())) - 1), pytest.raises(OSError, match=r"bytes needed, [\d,]+ free"):
        again(store, data)
    assert {path: path.read_bytes() for path in kept} == before
    second, history = again(store, data)
    assert second.taken[0] == 7
    assert_same_run((second.state(), history), state_and_history(data, store))


def test_with_no_intact_checkpoint_it_starts_over(store, data, monkeypatch):
    for path in cut_off(store, data, monkeypatch, visit=5):
        torn(path, 0.5)
    assert again(store, data)[0].taken == list(range(STEPS))
