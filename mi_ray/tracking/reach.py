"""Access to MLflow: the allowed tracking URIs, and every failure as one line of text."""

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
    """MLflow does not answer, or refuses a request. The text is one line with the address and the reason."""


class Denied(Unreachable):
    """MLflow answers 401 or 403. The text also says which account or host name it accepts."""


def refuse_bad_uri(tracking_uri: str) -> None:
    """Raise Refused unless the URI is an SQLite file or a server's address."""
    try:
        is_server = urlsplit(tracking_uri).scheme in ("http", "https") and bool(urlsplit(tracking_uri).hostname)
    except ValueError:
        is_server = False
    if not is_server and not (tracking_uri.startswith(SQLITE) and tracking_uri != SQLITE):
        raise refuse("tracking-uri", shown(tracking_uri), ALLOWED)


def shown(tracking_uri: str) -> str:
    """A tracking URI for printing: without ``name:password@``."""
    user = _user(tracking_uri)
    return tracking_uri.replace(f"{user}@", "", 1) if user else tracking_uri


@contextmanager
def reaching(tracking_uri: str) -> Iterator[None]:
    """Turn every error of MLflow in the block into `Unreachable`, and its 401 and 403 into `Denied`."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ValueError) as error:
        reason = reason_of(error)
        if user := _user(tracking_uri):
            reason = reason.replace(f"{user}@", "")
        text = f"MLflow at {shown(tracking_uri)}: {reason}"
        if accepted := _accepted(error):
            raise Denied(f"{text}; wanted: {accepted}") from error
        raise Unreachable(text) from error


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

    If the chain of causes ends in an OSError, such as "Connection refused", that error says more than MLflow's own.
    """
    last, before = error, error.__cause__ or error.__context__
    while before is not None:
        last, before = before, before.__cause__ or before.__context__
    cause = last if isinstance(last, OSError) else error
    lines = str(cause).splitlines() or [type(cause).__name__]
    return lines[0] if len(lines[0]) <= 200 else lines[0][:199] + "…"
