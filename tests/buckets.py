"""An S3-compatible server of the tests' own, over HTTP, and buckets on it.

moto looks whether a name is there and then writes it: of two requests at a time both could be first. S3 decides in one
step, so the server answers one request after another.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import botocore.session
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCESS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": "us-east-1"}
_names = count()


class Quiet(WSGIRequestHandler):
    """Logs no request."""

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


class OneByOne:
    """Answers one request after another."""

    def __init__(self) -> None:
        self._app, self._lock = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            return list(self._app(environ, start_response))


@contextmanager
def served(host: str = "127.0.0.1") -> Iterator[str]:
    """Run the server for the block, with the environment variables for it; yields its address."""
    server = make_server(host, 0, OneByOne(), threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://{host}:{server.server_port}"
    before = dict(os.environ)
    os.environ.update(ACCESS, AWS_ENDPOINT_URL=address)
    yield address
    os.environ.clear()
    os.environ.update(before)
    server.shutdown()
    thread.join()


def client() -> Any:
    """A plain S3 client, independent of mi-ray's code."""
    return botocore.session.get_session().create_client("s3")


def new_bucket() -> str:
    """Create a bucket; returns an address in it."""
    name = f"shelf-{next(_names)}"
    client().create_bucket(Bucket=name)
    return f"s3://{name}/some/runs"


def stamps(address: str) -> dict[str, tuple[str, object]]:
    """Digest and time of every object below an address."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    contents = client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])
    return {entry["Key"].removeprefix(f"{prefix}/"): (entry["ETag"], entry["LastModified"]) for entry in contents}


def objects(address: str) -> dict[str, bytes]:
    """Content of every object below an address, by name."""
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    s3 = client()
    return {name: s3.get_object(Bucket=bucket, Key=f"{prefix}/{name}")["Body"].read() for name in stamps(address)}
