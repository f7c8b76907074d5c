"""Open MLflow on a store: its own database, or a server of yours.

mi-ray ui --store runs            # http://127.0.0.1:5000
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec

from mi_ray.commands.flags import Flags
from mi_ray.experiments.declare.checks import Refused, say
from mi_ray.running.exit import DONE
from mi_ray.table import existing

HERE = "127.0.0.1"
LOOK_SECONDS = 5.0
"""Seconds that a request for a sign of life may take."""

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
    refuse_port_in_use(given.port)
    from mi_ray.tracking.moved import follow
    from mi_ray.tracking.reach import Unreachable, sqlite_uri
    from mi_ray.tracking.views import saved

    with suppress(Unreachable):  # one that this user may only read, and is shown as it is
        follow(database)
    base = f"http://{HERE}:{given.port}"
    say(f"MLflow of {given.store} starts on {base} (Ctrl-C ends it)")
    links = saved(sqlite_uri(database), base)
    place = ["--host", HERE, "--port", str(given.port), "--backend-store-uri", f"sqlite:///{database}"]
    server = subprocess.Popen([sys.executable, "-m", "mlflow", "ui", *place], stdout=sys.stderr, process_group=0)
    try:
        if answers(server, given.port):
            for title, address in [("all experiments", base), *links]:
                say(f"  {title}: {address}")
        return server.wait()
    except KeyboardInterrupt:  # the usual end, also by SIGTERM; MLflow's own processes would outlive it
        for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(server.pid, number)
                server.wait(seconds)
        return DONE


def refuse_port_in_use(port: int) -> None:
    """Refused if no server can listen at a port of 127.0.0.1."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HERE, port))
        except (OSError, OverflowError) as error:
            raise Refused(f"port: {port} cannot be used ({error}); allowed: another --port, such as 5001") from error


def answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until MLflow answers, which takes seconds; False if it has ended before."""
    while server.poll() is None:
        connection = HTTPConnection(HERE, port, timeout=LOOK_SECONDS)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == HTTPStatus.OK:
                return True
        except (OSError, HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()
    return False
