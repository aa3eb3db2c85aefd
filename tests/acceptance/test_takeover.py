"""Two controllers, two processes, one switch: one serves, the other takes over when the first is killed."""

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from fsctl.store.links import Links
from tests.acceptance.house import House
from tests.fix_database import reachable_folder

RIVALS = ("serve", "standby")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Two controllers, and one call of a minute, four times faster. Nobody needs a model."""
    with reachable_folder() as folder:
        built = House(folder, tmp_path, processes=RIVALS)
        yield built
        built.close()


class Observer:
    """Looks all the time at who serves the node."""

    def __init__(self, house: House) -> None:
        self.most = 0
        """The most controllers alive that had a link, or the right to one, at any moment."""
        self._house = house
        self._greenlet = gevent.spawn(self._look)

    def serving(self) -> list[str]:
        """The processes that live and have a link."""
        states = {report.controller: report.state for report in Links(self._house.database).all()}
        by_pid = {controller.rpartition(":")[2]: state for controller, state in states.items()}
        alive = {name: str(self._house.pid(name)) for name in RIVALS}
        return [
            name for name, pid in alive.items() if by_pid.get(pid) in ("connecting", "resyncing", "ready")
        ]

    def finish(self) -> int:
        """Stop looking; the most that there were."""
        self._greenlet.kill()
        return self.most

    def _look(self) -> None:
        while True:
            self.most = max(self.most, len(self.serving()), self._locks())
            gevent.sleep(0.05)

    def _locks(self) -> int:
        with self._house.database.transaction("test") as transaction:
            row = transaction._connection.execute(
                "select count(*) as n from pg_locks where locktype = 'advisory' and granted"
                " and classid = 1718317940"
            ).fetchone()
        assert row is not None
        return int(row["n"])


def test_a_controller_killed_in_mid_call_is_followed_by_the_one_that_stood_by(house: House) -> None:
    observer = Observer(house)
    house.until(lambda c: c.call.phase.value == "talking", "talking")
    (first,) = observer.serving()
    (second,) = set(RIVALS) - {first}
    house.kill(first)
    with gevent.Timeout(20, AssertionError(f"nobody took over\n{house.logs()}")):
        while observer.serving() != [second]:
            gevent.sleep(0.05)
    assert house.call() is not None
    house.start_again(first)
    call = house.until(lambda c: c.call.ended_at is not None, "ended").call
    assert call.hangup_cause == "NORMAL_CLEARING"
    assert observer.serving() == [second]
    assert observer.finish() == 1
    with house.database.transaction("test") as transaction:
        ends = transaction._connection.execute(
            "select call_uuid from call_event where kind = 'leg_hung_up' and key = call_uuid"
        ).fetchall()
    assert [row["call_uuid"] for row in ends] == [call.uuid]
