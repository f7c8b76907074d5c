"""Whether MLflow can be reached: which tracking URIs there are, and one line for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from mi_ray.experiments.declare.checks import refuse

SQLITE = "sqlite:///"
ALLOWED = f"{SQLITE}FILE, or http(s)://HOST[:PORT] of an MLflow server (PostgreSQL stands behind one: docs/tracking.md)"
LOG_IN = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of an account there"
KNOWN_HOST = "a host name among the server's MLFLOW_ALLOWED_HOSTS"
MAY_WRITE = "an account that may change its experiments"


class Unreachable(Exception):
    """MLflow does not answer, or refuses what it is told. The text is one line that says where and why."""


class Denied(Unreachable):
    """MLflow answers and turns away whoever asks (401, 403). The text also says what is wanted."""


def refuse_bad_uri(tracking_uri: str) -> None:
    """Refuse anything but an SQLite file or a server's address."""
    try:
        is_server = urlsplit(tracking_uri).scheme in ("http", "https") and bool(urlsplit(tracking_uri).hostname)
    except ValueError:
        is_server = False
    if not is_server and not (tracking_uri.startswith(SQLITE) and tracking_uri != SQLITE):
        raise refuse("tracking-uri", shown(tracking_uri), ALLOWED)


def shown(tracking_uri: str) -> str:
    """A tracking URI as it may be printed: without the name and password that it may hold."""
    user = _user(tracking_uri)
    return tracking_uri.replace(f"{user}@", "", 1) if user else tracking_uri


@contextmanager
def reaching(tracking_uri: str) -> Iterator[None]:
    """Turn whatever MLflow raises into `Unreachable`, and its 401 and 403 into `Denied`."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        said = _one_line(_cause(error))
        if user := _user(tracking_uri):
            said = said.replace(f"{user}@", "")
        text = f"MLflow at {shown(tracking_uri)}: {said}"
        if wanted := _wanted(error):
            raise Denied(f"{text}; wanted: {wanted}") from error
        raise Unreachable(text) from error


def _wanted(error: BaseException) -> str | None:
    """What would have been let in, None if nobody was turned away."""
    status = error.get_http_status_code() if isinstance(error, MlflowException) else None
    if status == 401:
        return LOG_IN
    if status == 403:
        return KNOWN_HOST if "Host header" in str(error) else MAY_WRITE
    return None


def _user(tracking_uri: str) -> str:
    """``name:password`` of a tracking URI, empty if it has none."""
    return tracking_uri.partition("//")[2].partition("/")[0].rpartition("@")[0]


def _cause(error: BaseException) -> BaseException:
    """The operating system's word at the end of a chain of errors, if there is one; else the error itself."""
    last, before = error, error.__cause__ or error.__context__
    while before is not None:
        last, before = before, before.__cause__ or before.__context__
    return last if isinstance(last, OSError) else error


def _one_line(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 200 else lines[0][:199] + "…"
