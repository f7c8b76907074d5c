"""Environments of peers: each peer runs in a virtualenv below .peers, made on demand, with one process per call and a
limit of wall time.

To add a peer, add a file to `peers` (see `peers/protocol.py`) and a line to `PEERS`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent / ".peers"

PEERS: dict[str, str | None] = {
    "torch_mist_infonce": "numpy1",
    "torch_mist_smile": "numpy1",
    "benchmark_mi_infonce": "numpy1",
    "latentmi_lmi": "numpy1",
    "infomeasure_ksg": "numpy1",
    "mi_ray_probe": None,
    "mi_ray_learned": None,
}
"""Environment of each peer; None is that of the running interpreter."""

REQUIREMENTS = {
    "numpy1": (
        "torch==2.13.0",
        "numpy==1.26.4",
        "scikit-learn==1.9.1",
        "torch-mist==0.2.17",
        "infomeasure==0.6.3",
        "latentmi==0.1.3",
        "benchmark-mi==0.1.3",
        "jax==0.4.30",
        "jaxlib==0.4.30",
    ),
}
"""Pins of each environment. All of these but infomeasure need numpy < 2; bmi does not import beside a newer jax."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def interpreter(peer: str) -> Path:
    """The path of the Python that runs ``peer``. Makes its environment if it does not exist with these pins."""
    name = PEERS[peer]
    if name is None:
        return Path(sys.executable)
    python, made = ROOT / name / "bin" / "python", ROOT / name / "requirements.txt"
    pins = "\n".join(REQUIREMENTS[name]) + "\n"
    if not made.is_file() or made.read_text() != pins:
        print(f"making {python.parent.parent} for {peer} (2 GB, a minute or two)", flush=True)
        venv.create(ROOT / name, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]], check=True)
        made.write_text(pins)
    return python


def ask(peer: str, instance: Path, seed: int, choice: int, limit: float) -> dict[str, Any]:
    """The answer of ``peer``, computed on one thread; if it crashes or exceeds ``limit`` seconds, bits are NaN and
    ``failure`` is the reason.

    The limit is wall time: raise it on a busy machine. Each call has its own folder for temporary files, since
    torch-mist saves its best weights by the same name in every process.
    """
    command = [interpreter(peer), HERE / "peers" / f"{peer}.py", instance, str(seed), str(choice)]
    with TemporaryDirectory() as scratch:
        environment = os.environ | ONE_THREAD | {"TMPDIR": scratch}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return _failed(f"stopped at {limit:g} s", limit)
    if done.returncode:
        return _failed((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1], nan)
    return {"failure": None} | json.loads(done.stdout.splitlines()[-1])


def _failed(reason: str, seconds: float) -> dict[str, Any]:
    return {"bits": nan, "validation_bits": None, "seconds": seconds, "failure": reason}
