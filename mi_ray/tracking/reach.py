"""Access to MLflow: the allowed tracking URIs, and every failure as one line of text with what helps."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from requests.utils import get_environ_proxies, select_proxy
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from urllib3.exceptions import HTTPError

from mi_ray.experiments.declare.checks import error_line, refuse

SQLITE = "sqlite:///"
ALLOWED = f"{SQLITE}FILE, or http(s)://HOST[:PORT] of an MLflow server (PostgreSQL stands behind one: docs/tracking.md)"
LOG_IN = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of an account there"
KNOWN_HOST = "a host name among the server's MLFLOW_ALLOWED_HOSTS"
MAY_WRITE = "an account that may change its experiments"
ELSEWHERE = f"--tracking-uri {SQLITE}FILE of another file"
DAMAGED = ("malformed", "not a database", "no such table", "no such column", "quick_check")
"""In SQLite's texts about a file that it cannot read as the database that it was; ``quick_check`` is its own check."""
LONGEST = 500
"""Bytes of a path that SQLite opens together with its journal's; its own limit is 512."""


class Unreachable(Exception):
    """MLflow does not answer, or refuses a request. The text is one line with the address and the reason."""


class Unusable(Unreachable):
    """MLflow or its database cannot take the mirror, and waiting does not change that. The text also says what does."""


class Denied(Unusable):
    """MLflow answers 401 or 403. The text also says which account or host name it accepts."""


def refuse_bad_uri(tracking_uri: str) -> None:
    """Raise Refused unless the URI is an SQLite file or a server's address."""
    try:
        is_server = urlsplit(tracking_uri).scheme in ("http", "https") and bool(urlsplit(tracking_uri).hostname)
    except ValueError:
        is_server = False
    file = str(database(tracking_uri) or "")
    is_file = file not in ("", ".", ":memory:") and not file.startswith("file:") and "\0" not in file
    if not is_server and not is_file:
        raise refuse("tracking-uri", shown(tracking_uri), ALLOWED)


def sqlite_uri(file: Path) -> str:
    """The tracking URI of a file. SQLAlchemy takes a ``%`` for an escape, and what follows a ``?`` for options."""
    return f"{SQLITE}{str(file).replace('%', '%25').replace('?', '%3F')}"


def database(tracking_uri: str) -> Path | None:
    """The file that MLflow opens for an SQLite tracking URI; None for a server."""
    if not tracking_uri.startswith(SQLITE):
        return None
    try:
        return Path(make_url(tracking_uri).database or "")
    except (ArgumentError, ValueError):
        return Path(tracking_uri.removeprefix(SQLITE).partition("?")[0])


def shown(tracking_uri: str) -> str:
    """A tracking URI for printing: without ``name:password@``."""
    user = _user(tracking_uri)
    return tracking_uri.replace(f"{user}@", "", 1) if user else tracking_uri


@contextmanager
def reaching(tracking_uri: str) -> Iterator[None]:
    """Turn every error of MLflow in the block into `Unreachable`, and its 401 and 403 into `Denied`."""
    try:
        yield
    except Unreachable:
        raise
    except Exception as error:  # whatever MLflow raises, a sweep goes on
        reason = reason_of(error)
        file = database(tracking_uri)
        if file and "(sqlite3." in str(error):
            raise of_sqlite(file, reason.partition(") ")[2] or reason) from error
        if user := _user(tracking_uri):
            reason = reason.replace(f"{user}@", "")
        text = f"MLflow at {shown(tracking_uri)}: {reason}"
        if accepted := _accepted(error):
            raise Denied(f"{text}; wanted: {accepted}") from error
        raise Unreachable(text + _behind_a_proxy(tracking_uri)) from error


def of_sqlite(file: Path, reason: str) -> Unreachable:
    """The failure of a database for a reason of SQLite's, with what helps; an outage unless it is known to last."""
    if any(text in reason for text in DAMAGED):
        return Unusable(f"{file} is damaged ({reason}); {moved_away()}")
    if "locked" in reason:
        return Unreachable(f"{file} is locked by another program (`fuser {file}` names it)")
    if "full" in reason:
        free = shutil.disk_usage(file.parent).free
        return Unreachable(f"{file}: its disk is full, {free:,} bytes are free; a new database needs about a million")
    if "readonly" in reason:
        return Unusable(f"{file} may not be written here; allowed: permission to write it, or {ELSEWHERE}")
    if "unable to open" in reason:
        return not_made(file, "SQLite cannot open it")
    return Unreachable(f"{file}: {reason}")


def not_made(file: Path, reason: str) -> Unusable:
    """A database that cannot be made or opened at its path."""
    length = len(os.fsencode(file.absolute()))
    if length > LONGEST:
        return Unusable(f"a path of {length} bytes is too long for SQLite, which opens {LONGEST}; allowed: {ELSEWHERE}")
    return Unusable(f"{file} cannot be made ({reason}); allowed: a folder where you may make files, or {ELSEWHERE}")


def moved_away() -> str:
    """What helps against a file that cannot be used: it holds nothing of the store's that the store does not."""
    return f"move it away, and the same command mirrors every finished cell into a new one; or use {ELSEWHERE}"


def deleted_experiment(tracking_uri: str, name: str, experiment_id: str) -> Unusable:
    """An experiment that was deleted in MLflow, which takes no runs."""
    uri = shown(tracking_uri)
    return Unusable(
        f"MLflow at {uri}: experiment {name!r} is deleted; restore it with `MLFLOW_TRACKING_URI={shlex.quote(uri)} "
        f"mlflow experiments restore --experiment-id {experiment_id}`, or use {ELSEWHERE}"
    )


def _behind_a_proxy(tracking_uri: str) -> str:
    """Says that the environment leads to the server through a proxy, which may be what does not answer."""
    if not tracking_uri.startswith("http"):
        return ""
    proxy = select_proxy(tracking_uri, get_environ_proxies(tracking_uri))
    host = urlsplit(tracking_uri).hostname
    return f" (through the proxy {shown(proxy)} of the environment; NO_PROXY={host} goes without it)" if proxy else ""


def _accepted(error: BaseException) -> str | None:
    """The account or host name that the server accepts, if it answered 401 or 403; else None."""
    status = error.get_http_status_code() if isinstance(error, MlflowException) else None
    if status == 401:
        return LOG_IN
    if status == 403:
        return KNOWN_HOST if "Host header" in str(error) else MAY_WRITE
    return None


def _user(tracking_uri: str) -> str:
    """``name:password`` of a tracking URI, "" if it has none."""
    return tracking_uri.partition("//")[2].partition("/")[0].rpartition("@")[0]


def reason_of(error: BaseException) -> str:
    """An error as one line of at most 200 characters.

    If the chain of causes ends in an error of the connection, such as "Connection refused" or "too many 500 error
    responses", that error says more than MLflow's own.
    """
    last, before = error, error.__cause__ or error.__context__
    while before is not None:
        last, before = before, before.__cause__ or before.__context__
    cause = last if isinstance(last, OSError | HTTPError) else error
    lines = str(cause).splitlines() or [type(cause).__name__]
    return lines[0] if len(lines[0]) <= 200 else lines[0][:199] + "…"


def line_of(error: Exception | None) -> str | None:
    """A failure in one line: MLflow's as it is, another one with its type."""
    if error is None:
        return None
    return str(error) if isinstance(error, Unreachable) else error_line(error)
