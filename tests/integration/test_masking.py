"""A payment in mid-call, on a simulated FreeSWITCH and a real Postgres: masked by a person, or by the dialplan."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import gevent
import pytest

from fsctl import app
from fsctl.config import Node
from fsctl.errors import CommandRefused, FsctlError
from fsctl.esl.connection import Connection
from fsctl.masking import Masking
from fsctl.media import proof
from fsctl.sim import Ring, Switch, load_samples
from fsctl.store.audit import Audit
from fsctl.store.db import Database
from fsctl.store.keeping import Gap, KnownRecording
from fsctl.store.recordings import Recordings
from tests.contract.switches import ask
from tests.fix_switch import PASSWORD
from tests.integration.test_controller import Served


class Payment:
    """A call in which both talk, and a person who can mask it."""

    def __init__(self, switch: Switch, database: Database) -> None:
        self.served = Served(switch, switch.port, database)
        self.recordings = Recordings(database, "fs1")
        self.audit = Audit(database)
        self.node = Node(name="fs1", host="127.0.0.1", port=switch.port, password=PASSWORD)
        self.masking = Masking(self.recordings, self.audit, lambda _: app.commands(self.node), "ada")
        (sample,) = load_samples(["order-en"])
        plan = sample.plan(rings=(Ring("answer", 0.5),))
        self.uuid = switch.place_call(plan)
        self.served.until(self.uuid, lambda call: call.bridged_at is not None)
        with gevent.Timeout(15, AssertionError("the recording was never stored")):
            while not self.recordings.of_call(self.uuid):  # it is written beside the call, not before it
                gevent.sleep(0.02)

    def commands(self) -> AbstractContextManager[Connection]:
        """A connection to the switch, of somebody else."""
        return app.commands(self.node)

    def known(self) -> KnownRecording:
        (known,) = self.recordings.of_call(self.uuid)
        return known

    def until(self, wanted: Callable[[tuple[Gap, ...]], bool]) -> Gap:
        """Wait for the gaps to be so; the latest of them."""
        with gevent.Timeout(15, AssertionError(f"never so: {self.known().gaps}")):
            while not wanted(tuple(self.known().gaps)):
                gevent.sleep(0.02)
        return self.known().gaps[-1]

    def wait(self, seconds: float) -> None:
        """Simulated seconds."""
        gevent.sleep(seconds / self.served.switch.options.speed)

    def actions(self) -> list[tuple[str, str, str]]:
        return [(entry.who, entry.action, entry.result) for entry in self.audit.entries(action="recording")]


@pytest.fixture
def payment(make_switch: Callable[..., Switch], database: Database) -> Iterator[Payment]:
    """A call in mid-talk."""
    one = Payment(make_switch(speed=4.0), database)
    yield one
    one.served.detach()


def findings(payment: Payment) -> dict[str, str]:
    """What the proof says of the recording when its call is over."""
    payment.served.switch.channels[payment.uuid].hangup("NORMAL_CLEARING")
    payment.served.ended(payment.uuid)
    known = payment.known()
    found = proof.judge(proof.listen(Path(known.path)), known)
    return {one.code: one.text for one in found}


def test_a_person_masks_a_call_and_has_it_recorded_again(payment: Payment) -> None:
    payment.wait(4)
    assert payment.masking.mask(payment.uuid, "payment") == f"{payment.uuid} is masked: payment"
    (open_gap,) = payment.known().gaps
    assert (open_gap.kind, open_gap.reason, open_gap.end_s) == ("mask", "payment", None)
    assert payment.masking.mask(payment.uuid, "again") == f"{payment.uuid} was masked: again"
    payment.wait(6)
    assert payment.masking.unmask(payment.uuid) == f"{payment.uuid} is recorded again"
    gap = payment.until(lambda gaps: gaps[-1].end_s is not None)
    assert gap.end_s is not None
    assert 5.5 < gap.end_s - gap.start_s < 9.0
    (live,) = payment.recordings.live()
    assert live.masks_us == [(pytest.approx(gap.start_s * 1e6, abs=2), pytest.approx(gap.end_s * 1e6, abs=2))]
    payment.wait(2)
    found = findings(payment)
    assert "payment" in found["mask"]
    assert "not-masked" not in found
    assert len(payment.known().gaps) == 1, "what FreeSWITCH says of it is the same gap"
    assert payment.actions() == [
        ("ada", "recording.mask", "done"), ("ada", "recording.mask", "done"), ("ada", "recording.unmask", "done"),
    ]  # fmt: skip


def test_a_mask_that_freeswitch_refuses_leaves_no_gap(
    payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = payment.served.switch.recorder
    monkeypatch.setattr(recorder, "hide", lambda *_arguments, **_flags: False)
    with pytest.raises(CommandRefused, match="Cannot mask"):
        payment.masking.mask(payment.uuid, "payment")
    assert payment.known().gaps == []
    assert "Cannot mask" in payment.actions()[-1][2]


def test_a_mask_that_is_not_in_the_file_is_found_out(payment: Payment) -> None:
    """FreeSWITCH says +OK, and the number is in the file all the same."""
    recorder, real = payment.served.switch.recorder, payment.served.switch.recorder.hide

    def pretend(*arguments: Any, **_flags: Any) -> bool:
        return real(*arguments)

    recorder.hide = pretend  # type: ignore[method-assign]
    payment.wait(2)
    payment.masking.mask(payment.uuid, "payment")
    payment.wait(8)
    payment.masking.unmask(payment.uuid)
    assert "what was to be masked is in the file" in findings(payment)["not-masked"]


def test_what_the_dialplan_or_somebody_else_masks_is_a_gap_too(payment: Payment) -> None:
    path = payment.known().path
    with payment.commands() as connection:
        ask(connection, f"api uuid_record {payment.uuid} mask {path}")
        gap = payment.until(lambda gaps: len(gaps) == 1)
        assert (gap.kind, gap.reason, gap.end_s) == ("mask", "a command", None)
        ask(connection, f"api uuid_record {payment.uuid} unmask {path}")
        payment.until(lambda gaps: gaps[-1].end_s is not None)
        ask(connection, f"api uuid_record {payment.uuid} mask /no/such.wav")
        steps = (
            f"set:fsctl_mask_reason=card^record_session_mask:{path}^sleep:1000^record_session_unmask:{path}"
        )
        ask(connection, f"api uuid_transfer {payment.uuid} 'm:^:{steps}^sleep:60000' inline")
    gap = payment.until(lambda gaps: len(gaps) == 2 and gaps[-1].end_s is not None)
    assert gap.end_s is not None
    assert gap.reason == "card"
    assert gap.end_s - gap.start_s == pytest.approx(1.0, abs=0.3)


def test_what_is_not_recorded_cannot_be_masked(payment: Payment) -> None:
    with pytest.raises(FsctlError, match="no recording of call c-9"):
        payment.masking.mask("c-9", "payment")
    findings(payment)
    with pytest.raises(FsctlError, match="its recording is closed"):
        payment.masking.mask(payment.uuid, "payment")
    assert [action for _, action, _ in payment.actions()] == ["recording.mask"] * 2


def test_unmasked_without_a_mask_it_says_so(payment: Payment) -> None:
    assert payment.masking.unmask(payment.uuid) == f"{payment.uuid} was not masked"
    assert payment.known().gaps == []
