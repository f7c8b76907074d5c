"""The words of the command ``mi-ray``: what they print, and what they refuse in one line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mi_ray
from mi_ray.commands.main import WORDS, main
from mi_ray.experiments.store.store import Store
from tests.committed import commit_all, made_up, plan_of


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the ten cells of a small plan."""
    store = Store(tmp_path_factory.mktemp("runs"))
    commit_all(plan_of().cells.values(), store)
    return store.root


def cell(kind: str, **parameters: str):
    """The cell of the plan with these parameters."""
    return next(
        each for each in plan_of().cells.values() if each.kind == kind and parameters.items() <= each.parameters.items()
    )


@pytest.fixture
def said(capsys):
    """A function that runs a command: exit code, output, errors."""

    def run(*argv: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in argv])
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def test_help_tells_every_word_and_starts_at_once():
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mi_ray.commands.main"], capture_output=True, text=True, check=True
    )
    assert not {"torch", "pandas", "mlflow", "ray"} & {
        line.rpartition("|")[2].strip() for line in ran.stderr.split("\n")
    }


def test_the_installed_command_tells_its_words_and_version():
    command = Path(sys.executable).with_name("mi-ray")
    told = subprocess.run([command, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"  {word} " in told for word in WORDS)
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    assert version == f"mi-ray {mi_ray.__version__}\n"


def test_ls_lists_cells_with_their_main_result(said, place):
    code, out, _ = said("ls", "--store", place)
    asked = cell("estimation", task="all", pairing="color")
    (line,) = (line for line in out.splitlines() if line.startswith(asked.key))
    assert code == 0 and "resnet10t color  asked all  seed 0" in line
    assert f"post-training estimate {6 * made_up(asked):.2f} bits, true value in" in line
    assert out.splitlines()[-1] == "12 cells: 2 training, 2 embedding, 4 evaluation, 4 estimation"
    code, out, _ = said("ls", "evaluation-*", "--store", place)
    assert code == 0 and out.splitlines()[-1] == "4 cells: 4 evaluation" and "linear balanced accuracy" in out


def test_show_tells_declaration_result_history_and_files(said, place):
    asked = cell("training", pairing="all")
    code, out, _ = said("show", asked.key[:-5], "--store", place)
    for part in ("training.k_tr", f"{made_up(asked):.6g}", "history: 3 reports", "step 3", "committed", "result.json"):
        assert part in out
    assert code == 0
    values = json.loads(said("show", asked.key, "--json", "--store", place)[1])
    assert values["key"] == asked.key and values["result"]["in_training_bits"] == made_up(asked)


def test_export_writes_every_number_once_with_its_error(said, place, tmp_path):
    code, out, _ = said("export", "--store", place, "--out", tmp_path / "a.csv")
    frame = pd.read_csv(tmp_path / "a.csv")
    assert code == 0 and out.startswith(f"{tmp_path}/a.csv: {len(frame)} rows")
    asked = cell("evaluation", task="color", pairing="color")
    (row,) = frame[(frame["key"] == asked.key) & (frame["measure"] == "linear_balanced_accuracy")].to_dict("records")
    assert row["value"] == pytest.approx(made_up(asked)) and row["standard_error"] == pytest.approx(made_up(asked) / 50)
    assert not frame["measure"].str.contains("standard_error").any()
    said("export", "--store", place, "--out", tmp_path / "a.parquet", "--wide")
    wide = pd.read_parquet(tmp_path / "a.parquet")
    assert len(wide) == 12 and set(wide["pairing"]) == {"color", "all"} and "training.k_tr" in wide


def test_read_gives_a_frame_and_warns_of_a_damaged_cell(place, tmp_path):
    frame = mi_ray.read(place)
    assert list(frame.columns[:6]) == ["key", "kind", "pairing", "task", "arch", "seed"] and len(frame) == 12
    estimates = frame[frame["kind"] == "estimation"].set_index(["pairing", "task"])
    assert estimates.loc[("all", "color"), "nominal_bits"] == 2 * made_up(
        cell("estimation", pairing="all", task="color")
    )
    store = Store(tmp_path)
    commit_all(plan_of().cells.values(), store)
    victim = next(store.cells.glob("estimation-*/result.json"))
    victim.write_text(victim.read_text().replace("1", "2"))
    with pytest.warns(UserWarning, match="is damaged: result.json"):
        assert len(mi_ray.read(tmp_path, long=True)["key"].unique()) == 11


def test_estimate_reads_files_and_prints_text_or_json(said, tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    np.savez(tmp_path / "e.npz", embeddings=np.eye(3)[labels] * 9 + rng.normal(size=(300, 3)), labels=labels)
    fast = ("--critics", 1, "--steps", 20)
    code, out, _ = said("estimate", tmp_path / "e.npz", "--k-est", 64, *fast)
    assert code == 0 and out.startswith("MIEstimate: ") and "3 classes" in out and "K_est = 64" in out
    code, out, _ = said("estimate", tmp_path / "e.npz", "--with", f"{tmp_path}/e.npz:labels", "--json", *fast)
    assert code == 0 and json.loads(out)["upper_bits"] is None


def test_doctor_tells_what_is_there(said, place, tmp_path):
    code, out, _ = said("doctor", "--store", place)
    assert code == 0 and f"{place}: 12 cells" in out and "ok  torch " in out and "cores" in out
    (tmp_path / "file").write_text("")
    code, out, _ = said("doctor", "--store", "s3://", "--store", "ftp://nowhere")
    assert code == 1 and "NOT store" in out


def test_run_lists_the_studies_with_their_questions(said):
    code, out, _ = said("run")
    assert code == 0 and "infomin_grid         Figs. 6 and 7: does it harm" in out and "shared_axes" not in out


def test_run_takes_the_flags_of_the_study(said, tmp_path):
    code, out, _ = said("run", "infomin_grid", "--preset", "smoke", "--dry-run", "--store", tmp_path / "runs")
    assert code == 0 and "estimation" in out and not (tmp_path / "runs").exists()


def test_a_file_of_the_users_runs_as_with_python(said, tmp_path):
    (tmp_path / "beside.py").write_text("ANSWER = 42\n")
    study = tmp_path / "mine.py"
    study.write_text(
        "import sys\nfrom beside import ANSWER\nif __name__ == '__main__':\n    print(ANSWER, sys.argv[1:])\n"
    )
    assert said("run", study, "--dry-run")[:2] == (0, "42 ['--dry-run']\n")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("lss",), "mi-ray: 'lss' is not allowed; allowed: run, ls, show"),
        (("lss",), "did you mean 'ls'?"),
        (("ls", "--stroe", "x"), "unrecognized arguments: --stroe"),
        (("ls", "--store", "/none/here"), "store: '/none/here' is not there; allowed: the store of a study"),
        (("ls", "nothing-*", "--store", "STORE"), "glob: 'nothing-*' matches no cell of"),
        (("show", "training", "--store", "STORE"), "'training' is not allowed (it stands for 2 cells)"),
        (("show", "nothing", "--store", "STORE"), "'nothing' is not allowed (no cell begins so)"),
        (("export", "--store", "STORE", "--out", "a.xlsx"), "out: 'a.xlsx' is not allowed; allowed: a name"),
        (("export", "--store", "STORE", "--out", "/none/a.csv"), "/none"),
        (("run", "infomin_gird"), "did you mean 'infomin_grid'?"),
        (("run", "absent.py"), "study: 'absent.py' is not allowed; allowed: augmentation_search"),
        (("draw", "nothing"), "study: 'nothing' is not allowed"),
        (("ui", "--store", "STORE"), "holds no MLflow database"),
        (("estimate", "absent.npy"), "embeddings: 'absent.npy' cannot be read (No such file or directory)"),
        (("estimate", "a.npy", "--with", "b.npy", "--labels", "c.npy"), "labels: not allowed together with --with"),
        (("gc", "--store", "/none/here"), "store: '/none/here' is not there"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_in_one_line(said, place, argv, message):
    code, _, err = said(*(place if word == "STORE" else word for word in argv))
    assert code == 2 and message in err and err.count("\n") == 1 and err.startswith("mi-ray: ")


def test_a_port_that_another_server_has_is_refused_before_mlflow_starts(said, tmp_path):
    (tmp_path / "cells").mkdir()
    (tmp_path / "mlflow.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        code, _, err = said("ui", "--store", tmp_path, "--port", taken)
    assert code == 2 and err.startswith(f"mi-ray: port: {taken} cannot be used") and err.count("\n") == 1
    code, _, err = said("ui", "--store", tmp_path, "--port", 70000)
    assert code == 2 and err.startswith("mi-ray: port: 70000 cannot be used")
