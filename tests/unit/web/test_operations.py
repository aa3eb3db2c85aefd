"""Who may ask, what is ready, and how a value is read for many."""

import time
from datetime import UTC, datetime
from pathlib import Path

import gevent
import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import Forbidden
from werkzeug.test import EnvironBuilder

from fsctl.config_chat import Web
from fsctl.errors import ConfigError, DatabaseDown, DatabaseError
from fsctl.store.links import Report
from fsctl.store.operations import Count
from fsctl.web.health import not_ready, served
from fsctl.web.metrics import _histogram
from fsctl.web.operations import FORWARDED, Gate
from fsctl.web.reading import Reading
from tests.unit.test_config import load

# --- who may ask


def admits(gate: Gate, address: str | None, **headers: str) -> bool:
    request = EnvironBuilder(environ_base={"REMOTE_ADDR": address}, headers=Headers(headers)).get_request()
    try:
        gate.admit(request)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("address", "is_admitted"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False), ("2001:db8::1", False), ("128.0.0.1", False), ("", False), (None, False),
        ("x", False),
    ],
)  # fmt: skip
def test_by_default_the_machine_itself_may_ask(address: str | None, is_admitted: bool) -> None:
    assert admits(Gate(Web().operations), address) is is_admitted


@pytest.mark.parametrize("name", FORWARDED)
def test_what_was_forwarded_is_refused(name: str) -> None:
    assert not admits(Gate(Web().operations), "127.0.0.1", **{name: "for=127.0.0.1"})


def test_nobody_may_where_no_network_is_named() -> None:
    assert not admits(Gate(()), "127.0.0.1")


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "localhost", "", "10.0.0.0/33"])
def test_a_network_that_is_none_is_said(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"web\.operations: expected networks such as 10\.0\.0\.0/8, not '"):
        load(tmp_path, f'[web]\noperations = ["{wrong}"]')


def test_networks_are_read(tmp_path: Path) -> None:
    found = load(tmp_path, '[web]\noperations = ["10.0.0.0/8"]').web.operations
    assert admits(Gate(found), "10.1.2.3")
    assert not admits(Gate(found), "127.0.0.1")


# --- ready


def report(state: str = "ready", age_s: float = 1.0, node: str = "fs1", **status: str) -> Report:
    return Report(node, f"{state}:{age_s}", state, datetime.now(UTC), status, age_s)


def test_of_two_reports_the_one_that_serves_counts() -> None:
    standby, gone, other = report("standby", 0.1), report("ready", 15.1), report(node="fs2")
    assert served("fs1", [standby, gone, other]) is None
    assert "no controller" in not_ready("fs1", [standby, gone, other])
    assert not_ready("fs1", [standby, gone, report("connecting"), report("ready", 9.0)]) == ""


def test_an_error_of_a_link_is_bounded() -> None:
    assert len(not_ready("fs1", [report("connecting", error="x" * 9999)])) < 300


# --- a value that is read for many


def test_what_was_read_counts_for_a_while_and_errors_too() -> None:
    reads = 0

    def read() -> int:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise DatabaseError("no")
        return reads

    reading = Reading(read, every_s=0.05, patience_s=1)
    assert [reading.get(), reading.get()] == [1, 1]
    gevent.sleep(0.06)
    for _ in range(2):
        with pytest.raises(DatabaseError):
            reading.get()
    gevent.sleep(0.06)
    assert (reading.get(), reads) == (3, 3)


def test_many_wait_for_one_read_and_not_too_long() -> None:
    begun = 0

    def read() -> int:
        nonlocal begun
        begun += 1
        gevent.sleep(10)
        return 1

    reading = Reading(read, every_s=0, patience_s=0.1)
    began = time.monotonic()
    asked = [gevent.spawn(reading.get) for _ in range(10)]
    gevent.joinall(asked)
    assert all(isinstance(one.exception, DatabaseDown) for one in asked)
    assert time.monotonic() - began < 2
    assert begun == 1
    reading.close()


def test_a_read_that_is_stuck_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsctl.web.reading.STUCK_S", 0.05)
    ended: list[str] = []

    def read() -> int:
        try:
            gevent.sleep(0 if ended else 10)
        finally:
            ended.append("one")
        return 7

    reading = Reading(read, every_s=0, patience_s=0.1)
    with pytest.raises(DatabaseDown):
        reading.get()
    assert (reading.get(), ended) == (7, ["one", "one"])


def test_an_older_value_is_given_while_it_is_good_and_nothing_failed() -> None:
    answers = iter([0.0, 0.3, -1.0, 0.3])

    def read() -> str:
        seconds = next(answers)
        gevent.sleep(abs(seconds))
        if seconds < 0:
            raise DatabaseDown("away")
        return f"after {seconds}"

    reading = Reading(read, every_s=0, patience_s=0.1, good_s=5)
    assert [reading.get(), reading.get()] == ["after 0.0", "after 0.0"]
    gevent.sleep(0.4)
    assert reading.get() == "after 0.3", "one read was late and has come"
    gevent.sleep(1.1)
    with pytest.raises(DatabaseDown, match="away"):
        reading.get()
    reading.close()


# --- histograms


def test_buckets_add_up() -> None:
    counts = [
        Count("w", "q", 5.0, 2, 4.0),
        Count("w", "q", 20.0, 1, 11.0),
        Count("w", "q", float("inf"), 1, 99.0),
    ]
    found = {
        (sample.name, sample.labels.get("le")): sample.value
        for sample in _histogram("w", "", "queue", counts, (5.0, 10.0, 20.0)).samples
    }
    assert found == {
        ("w_bucket", "5.0"): 2, ("w_bucket", "10.0"): 2, ("w_bucket", "20.0"): 3, ("w_bucket", "+Inf"): 4,
        ("w_count", None): 4, ("w_sum", None): 114.0,
    }  # fmt: skip
