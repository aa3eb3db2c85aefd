"""One line an event, whatever strangers wrote; call and thread beside it; no error tells a value."""

import argparse
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

import gevent
import psycopg
import pytest

from fsctl import logs
from fsctl.errors import DatabaseError, LinkLost
from fsctl.logs import Log, about
from fsctl.terminal import escape

FORGED = "2026-11-22T09:00:00.000Z ERROR   fsctl: forged"
HOSTILE = f"Ann\x1b[2J\x1b]0;x\x07\n{FORGED}\r\x85\u2028\u202eevil\u2066\U000e0041\ud800"
NAME = "fsctl.somewhere"
Render = Callable[[logging.LogRecord], str]
FORMS = pytest.mark.parametrize("render", [logs.as_json, logs.as_text])


def record(message: str, *words: object, error: BaseException | None = None) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord(NAME, logging.WARNING, "x.py", 1, message, words, trace)
    made.created = 1795338002.1179
    return made


def raised(deed: Callable[[], object]) -> Exception:
    try:
        deed()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_line_as_text() -> None:
    with about("c-1", 7):
        line = logs.as_text(record("not steered: %s", "gone"))
    assert line == "2026-11-22T09:00:02.117Z WARNING fsctl.somewhere: not steered: gone call=c-1 thread=7"
    with about("c-1"):
        assert logs.as_text(record("call %s: gone", "c-1")).endswith("fsctl.somewhere: call c-1: gone")


def test_a_line_as_json() -> None:
    with about("c-1", 7):
        told = json.loads(logs.as_json(record("call %s: gone", "c-1")))
    assert told == {
        "time": "2026-11-22T09:00:02.117Z", "level": "WARNING", "logger": NAME, "message": "call c-1: gone",
        "call": "c-1", "thread": 7,
    }  # fmt: skip


@FORMS
def test_strangers_words_break_no_line_and_move_no_terminal(render: Render) -> None:
    class Odd(Exception):
        pass

    error = raised(lambda: open(f"/nowhere/{HOSTILE[:40]}"))  # noqa: SIM115
    with about(HOSTILE):
        for made in (record(HOSTILE), record("%s %r", HOSTILE, HOSTILE), record("x", error=error)):
            line = render(made)
            assert escape(line) == line
            told = json.loads(line) if render is logs.as_json else {"whole": line}
            assert all(escape(one) == one for one in told.values() if isinstance(one, str))


@FORMS
def test_a_message_is_bounded(render: Render) -> None:
    assert len(render(record("x" * 1_000_000))) < logs.MOST + 200


def test_what_is_known_holds_in_its_block_and_its_greenlet_only() -> None:
    def known() -> dict[str, object]:
        told = json.loads(logs.as_json(record("x")))
        return {name: told[name] for name in ("call", "thread") if name in told}

    found: list[object] = []

    def work(call: str) -> None:
        with about(call):
            gevent.sleep(0.01)
            with about(thread=len(call)):
                gevent.sleep(0.01)
                found.append(known())
            assert known() == {"call": call}
        assert known() == {}

    gevent.joinall([gevent.spawn(work, call) for call in ("a", "bb")], raise_error=True)
    assert found == [{"call": "a", "thread": 1}, {"call": "bb", "thread": 2}]
    with about("around", 1):
        beside = threading.Thread(target=lambda: found.append(known()))
        beside.start()
        beside.join()
        with about(None, 2):
            assert known() == {"call": "around", "thread": 2}
        assert known() == {"call": "around", "thread": 1}
    assert known() == {}


@FORMS
def test_of_an_error_the_kind_the_chain_and_the_place_are_told_and_no_value(render: Render) -> None:
    def store() -> None:
        try:
            row = "DETAIL:  Failing row contains (1, my card is 4111)."
            raise psycopg.errors.CheckViolation(f'new row violates check "x"\n{row}')
        except psycopg.Error as error:
            raise DatabaseError("saving: Postgres refused: new row violates check") from error

    line = render(record("not stored", error=raised(store)))
    assert "DatabaseError: saving: Postgres refused: new row violates check; from CheckViolation" in line
    assert f"{__name__}:" in line
    assert " store" in line
    assert "4111" not in line
    for quoting in (
        lambda: int("my card is 4111"),
        lambda: dict[str, int]()["4111"],
        lambda: "\ud8004111".encode(),
    ):
        assert "4111" not in render(record("not read", error=raised(quoting)))
    assert "LinkLost: gone" in render(record("x", error=LinkLost("gone")))


def test_lines_of_both_forms_are_read() -> None:
    made = record("call %s: %s", "c-1", "a: b")
    assert logs.read(logs.as_text(made)) == ("WARNING", "call c-1: a: b")
    assert logs.read(logs.as_json(made)) == ("WARNING", "call c-1: a: b")
    for strange in ("", "fsctl: no such setting", "{", "{}", "[1]", "Traceback (most recent call last):"):
        assert logs.read(strange) == ("", "")


def test_who_logs_already_is_left_alone() -> None:
    before = list(logging.getLogger().handlers)
    logs.set_up(argparse.Namespace(verbose=True, log_json=True))
    assert logging.getLogger().handlers == before


def test_a_child_logs_as_we_do() -> None:
    asked = argparse.Namespace(verbose=False, log_json=True)
    assert logs.arguments(logs.set_up(asked, Log(level="debug"))) == ["--log-json"]
    assert logs.arguments(Log(level="debug")) == []


PROGRAM = """
import argparse, logging, sys, threading, warnings
if {gevent}:
    from gevent import monkey
    monkey.patch_all()
from fsctl import logs
from fsctl.logs import Log
logs.set_up(argparse.Namespace(verbose=False, **{options}))
logs.set_up(argparse.Namespace(verbose=False, **{options}), Log(level="debug", format={format!r}))
logging.getLogger("fsctl.x").debug("one")
logging.getLogger("botocore").debug("Authorization: secret")
logging.getLogger("botocore").warning("two")
warnings.warn("three")
def fail(): raise ValueError("secret")
thread = threading.Thread(target=fail); thread.start(); thread.join()
if {gevent}:
    import gevent
    gevent.spawn(fail).join()
fail()
"""


def run(**how: object) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(**how)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "secret" not in ended.stderr or how["options"] == {}
    return ended.stderr.splitlines()


@pytest.mark.parametrize("with_gevent", [False, True])
def test_all_that_a_process_says_is_lines_of_json(with_gevent: bool) -> None:
    lines = run(gevent=with_gevent, options={"log_json": False}, format="json")
    told = [json.loads(line) for line in lines]
    said = [f"{one['logger']}: {one['message']}".split("\\x0a")[0] for one in told]
    assert said[:2] == ["fsctl.x: one", "botocore: two"]
    assert "three" in said[2]
    assert [one["message"] for one in told[3:4]] == ["not caught by a thread"]
    assert [one["message"] for one in told[4:-1]] == (
        ["not caught by a Greenlet: ValueError"] if with_gevent else []
    )
    assert (told[-1]["level"], told[-1]["error"]) == ("CRITICAL", "ValueError")
    assert told[-1]["trace"][0].startswith("__main__:")


def test_text_is_a_line_an_event_too_and_commands_for_people_never_log_json() -> None:
    lines = run(gevent=False, options={"log_json": False}, format="text")
    assert [logs.read(line)[0] for line in lines] == ["DEBUG", *["WARNING"] * 2, "ERROR", "CRITICAL"]
    lines = run(gevent=False, options={}, format="json")
    assert logs.read(lines[0]) == ("DEBUG", "one")
    assert not any(line.startswith("{") for line in lines)
