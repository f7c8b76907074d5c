"""Open MLflow on a store: its own database, or a server of yours.

mi-ray ui --store runs            # http://127.0.0.1:5000
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec

from mi_ray.commands.flags import Flags
from mi_ray.experiments.declare.checks import Refused, say
from mi_ray.running.exit import DONE
from mi_ray.table import existing

END_SECONDS = 5.0
"""Seconds that MLflow's processes have to end by themselves."""


def main(argv: Sequence[str]) -> int:
    """Serve MLflow on this machine alone until it is interrupted; its exit code."""
    flags = Flags("ui", __doc__)
    flags.add_store()
    flags.add_argument("--port", type=int, default=5000, help="of 127.0.0.1 (%(default)s)")
    given = flags.parse_args(argv)
    if find_spec("mlflow") is None:
        raise Refused("mlflow: not installed; allowed: pip install mi-ray, with its dependencies")
    database = existing(given.store).root.resolve() / "mlflow.db"
    if not database.is_file():
        raise Refused(f"store: {given.store!r} holds no MLflow database; allowed: a store that a study has mirrored")
    from mi_ray.tracking.moved import follow
    from mi_ray.tracking.reach import Unreachable, sqlite_uri
    from mi_ray.tracking.views import saved

    with suppress(Unreachable):  # one that this user may only read, and is shown as it is
        follow(database)
    base = f"http://127.0.0.1:{given.port}"
    say(f"MLflow of {given.store} on {base} (Ctrl-C ends it)")
    for title, address in saved(sqlite_uri(database), base):
        say(f"  {title}: {address}")
    place = ["--host", "127.0.0.1", "--port", str(given.port), "--backend-store-uri", f"sqlite:///{database}"]
    server = subprocess.Popen([sys.executable, "-m", "mlflow", "ui", *place], process_group=0)
    try:
        return server.wait()
    except KeyboardInterrupt:  # the usual end, also by SIGTERM; MLflow's own processes would outlive it
        for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(server.pid, number)
                server.wait(seconds)
        return DONE
