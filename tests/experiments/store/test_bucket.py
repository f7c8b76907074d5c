"""A store in a bucket: access, the files that a node downloads and keeps, and one driver at a time."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from botocore.exceptions import ClientError

from mi_ray.experiments.declare import CDP
from mi_ray.experiments.declare.checks import Refused
from mi_ray.experiments.images.prepared import prepare, prepared
from mi_ray.experiments.store import lease as leases
from mi_ray.experiments.store.bucket import Bucket
from mi_ray.experiments.store.files import write_json
from mi_ray.experiments.store.lock import driver_lock
from mi_ray.experiments.store.store import store_at
from tests.buckets import client, new_bucket, objects

KEY = "training-0"
SMALL = CDP(train_images=1024, validation_images=1024, test_images=1024)
HOLD = """
import sys, time
from mi_ray.experiments.store import lease
from mi_ray.experiments.store.bucket import Bucket
lease.BEAT_SECONDS, lease.STALE_SECONDS = 0.2, 1.0
with lease.lease(Bucket(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(s3, tmp_path, monkeypatch):
    """The address of a new bucket; this process has its own cache."""
    monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / "here"))
    return new_bucket()


@pytest.fixture
def store(place):
    store = store_at(place)
    store.prepare()
    return store


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Act as another node from now on: the same bucket, another cache."""

    def move(name):
        monkeypatch.setenv("MI_RAY_CACHE", str(tmp_path / name))

    return move


def publish(store, text="h"):
    attempt = store.attempt(KEY)
    write_json(attempt.payload / "result.json", {"bits": 1.5})
    (attempt.payload / "h.safetensors").write_text(text)
    return attempt.publish({})


def test_the_server_refuses_a_second_creation_with_412_as_s3_does(place):
    name = place.removeprefix("s3://").partition("/")[0]
    client().put_object(Bucket=name, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        client().put_object(Bucket=name, Key="once", Body=b"second", IfNoneMatch="*")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


def test_only_the_first_creates_a_name_and_finds_itself_when_it_asks_again(place):
    bucket = Bucket(place)
    assert bucket.create("x", b"first") and not bucket.create("x", b"second")
    assert bucket.create("x", b"first"), "the answer to the first write was lost"
    assert bucket.read("x") == b"first"


@pytest.mark.parametrize("address", ["s3://", "s3:///runs", "ftp://host/runs", "abfs://box/runs"])
def test_an_address_of_no_bucket_is_refused(address):
    with pytest.raises(Refused, match=r"store: .* is not allowed; allowed: a folder, s3://BUCKET/PREFIX or gs://"):
        store_at(address)


def test_a_bucket_that_does_not_exist_is_refused_in_one_line(s3):
    with pytest.raises(Refused, match=r"^store: 's3://nowhere/runs' cannot be reached \(FileNotFoundError.*\); .*$"):
        store_at("s3://nowhere/runs").refuse_if_unreachable()


def test_a_store_without_its_backend_is_refused_with_what_to_install(place):
    program = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from mi_ray.experiments.store.store import store_at; store_at(sys.argv[1]).refuse_if_unreachable()"
    )
    error = subprocess.run([sys.executable, "-c", program, place], capture_output=True, text=True).stderr
    assert "needs a package that is not installed; pip install 'mi-ray[s3]'" in error


def test_a_folder_is_served_where_fsspec_is_absent(tmp_path):
    program = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from mi_ray.experiments.store.store import store_at; store_at(sys.argv[1]).prepare()"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "runs")], check=True)


def test_an_object_store_that_ignores_the_condition_is_refused(place, monkeypatch):
    monkeypatch.setattr(Bucket, "create", lambda bucket, name, content: bucket.write(name, content) or True)
    with pytest.raises(Refused, match=r"lets a name be created twice; allowed: .* If-None-Match"):
        store_at(place).prepare()


def test_proving_a_bucket_leaves_nothing_in_it(store):
    assert objects(store.name) == {}


def test_another_node_brings_what_it_reads_and_no_more(store, elsewhere):
    publish(store)
    elsewhere("there")
    there = store_at(store.name)
    cell = there.read(KEY)
    assert cell.result == {"bits": 1.5} and there.root != store.root
    assert sorted(path.name for path in cell.path.iterdir()) == ["manifest.json", "result.json"]
    assert cell.file("h.safetensors").read_text() == "h"


def test_a_file_that_was_spoilt_on_a_node_is_brought_again(store):
    path = publish(store).path / "h.safetensors"
    path.write_text("spoilt")
    assert store.read(KEY).file("h.safetensors").read_text() == "h"


def test_a_cell_that_is_removed_and_computed_again_is_read_anew_by_a_node_that_had_the_old_one(store, elsewhere):
    assert publish(store, "old").file("h.safetensors").read_text() == "old"
    elsewhere("there")
    there = store_at(store.name)
    there.bucket.remove(*(name for name in objects(store.name) if name.startswith("cells/")))
    assert not store.has(KEY)
    publish(there, "new")
    assert store.read(KEY).file("h.safetensors").read_text() == "new"


def test_images_are_made_once_and_brought_to_every_node(store, elsewhere, monkeypatch):
    made = prepare(SMALL, store)
    elsewhere("there")
    monkeypatch.setattr("mi_ray.experiments.images.prepared.render", None)
    there = prepare(SMALL, store_at(store.name))
    assert there.digest == made.digest == prepared(SMALL, store).digest
    assert (there.split("test").images == made.split("test").images).all()
    assert there.names("test") == made.names("test")
    assert not (there.folder / "train.safetensors").exists(), "what was not read was not brought"


def test_images_that_were_half_sent_are_not_there(store, elsewhere, monkeypatch):
    with monkeypatch.context() as cut:
        cut.setattr(Bucket, "create", lambda *_: (_ for _ in ()).throw(ConnectionError("cut off")))
        with pytest.raises(ConnectionError):
            prepare(SMALL, store)
    left = set(objects(store.name))
    elsewhere("there")
    assert left and prepared(SMALL, store_at(store.name)) is None
    assert prepare(SMALL, store_at(store.name)).split("test").images.shape[0] == 1024


# One driver


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(leases, "STALE_SECONDS", 1.0)


def holder(place):
    process = subprocess.Popen([sys.executable, "-c", HOLD, place], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_driver_is_refused_with_the_first_ones_process_while_that_lives(place, quick):
    first = holder(place)
    with pytest.raises(Refused, match=f"is in use by process {first.pid} on"), leases.lease(Bucket(place)):
        pass
    first.kill()
    first.communicate()


@pytest.mark.fault("F23", "the wall clock jumps back an hour, ahead a day, or stands still")
@pytest.mark.parametrize("jumped", [lambda now: now - 3600, lambda now: now + 86_400, lambda now: 1.0])
def test_a_jump_of_the_wall_clock_takes_no_place_from_a_driver_that_lives(place, quick, monkeypatch, jumped):
    first, now = holder(place), time.time
    monkeypatch.setattr("time.time", lambda: jumped(now()))
    with pytest.raises(Refused, match=f"is in use by process {first.pid} on"), leases.lease(Bucket(place)):
        pass
    monkeypatch.undo()
    first.kill()
    first.communicate()


def test_the_place_of_a_killed_driver_is_free_once_it_has_been_silent_long_enough(place, quick, capsys):
    first = holder(place)
    first.kill()
    first.communicate()
    with leases.lease(Bucket(place)):
        assert leases.numbers(Bucket(place)) == [2]
    assert f"store: process {first.pid} on" in capsys.readouterr().out


def test_a_place_that_was_left_in_order_is_free_at_once_and_its_number_is_never_used_again(place, quick, monkeypatch):
    monkeypatch.setattr(leases, "STALE_SECONDS", 1e9)
    for number in (1, 2, 3):
        with leases.lease(Bucket(place)):
            assert leases.numbers(Bucket(place)) == [number]


def test_of_several_drivers_that_find_a_dead_one_a_single_one_takes_its_place(place, quick):
    first = holder(place)
    first.kill()
    first.communicate()
    entered, leave = [], threading.Event()

    def enter():
        try:
            with leases.lease(Bucket(place)):
                entered.append("in")
                leave.wait(20)
        except Refused:
            entered.append("refused")
        if len(entered) == 4:
            leave.set()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(entered) == ["in", "refused", "refused", "refused"]


def test_a_driver_that_was_given_up_for_dead_stops_when_it_wakes(place, quick):
    asleep = holder(place)
    os.kill(asleep.pid, signal.SIGSTOP)
    with leases.lease(Bucket(place)):
        os.kill(asleep.pid, signal.SIGCONT)
        assert asleep.wait(timeout=20) == -signal.SIGTERM


def test_two_drivers_of_one_machine_are_told_apart_at_once(store):
    refused = pytest.raises(Refused, match=f"{store.name}' is in use by process {os.getpid()}")
    with driver_lock(store), refused, driver_lock(store):
        pass
