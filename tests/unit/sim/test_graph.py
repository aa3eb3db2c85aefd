"""The fake Graph API holds to Meta's documentation: what it takes, refuses, and tells afterwards."""

import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.pywsgi import WSGIServer

from fsctl.sim.graph import FakeGraph, GraphAnswer

NUMBER_ID, USER = "106540352242922", "15550100142"
TEXT = {"messaging_product": "whatsapp", "to": USER, "type": "text", "text": {"body": "hello"}}


class Told:
    """Takes webhooks; refuses the first few."""

    def __init__(self, refuse: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []
        self._refuse = refuse
        self.server = WSGIServer(("127.0.0.1", 0), self._take, log=None)
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def _take(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        if self._refuse:
            self._refuse -= 1
            start_response("500 no", [("Content-Length", "0")])
            return [b""]
        assert environ["PATH_INFO"] == "/hook"
        self.bodies.append(body)
        self.signatures.append(environ["HTTP_X_HUB_SIGNATURE_256"])
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    def statuses(self) -> list[dict[str, Any]]:
        return [s for body in self.bodies for s in value(body).get("statuses", ())]


def value(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(body)["entry"][0]["changes"][0]["value"]
    return found


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    yield made
    made.server.stop(timeout=0.1)


@pytest.fixture
def fake() -> Iterator[FakeGraph]:
    made = FakeGraph(app_secret="s", token="t", numbers={NUMBER_ID: "15550100900"})
    made.start()
    yield made
    made.stop()


def ask(fake: FakeGraph, body: object, *, path: str = f"/v25.0/{NUMBER_ID}/messages", method: str = "POST",
        token: str = "t") -> tuple[int, dict[str, Any]]:  # fmt: skip
    host, port = fake.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    sent = None if body is None else json.dumps(body)
    try:
        connection.request(method, path, sent, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def code(answer: tuple[int, dict[str, Any]]) -> int:
    return int(answer[1].get("error", {}).get("code", 0))


def test_a_message_is_taken_and_told_of(fake: FakeGraph, told: Told) -> None:
    fake.webhooks.url = told.url
    fake.messages.open_window(NUMBER_ID, USER)
    status, answer = ask(fake, TEXT | {"biz_opaque_callback_data": "k"})
    assert status == 200
    wamid = answer["messages"][0]["id"]
    assert wamid.startswith("wamid.")
    assert fake.webhooks.join(5)
    assert [s["status"] for s in told.statuses()] == ["sent", "delivered", "read"]
    for found in told.statuses():
        assert (found["id"], found["biz_opaque_callback_data"]) == (wamid, "k")
        assert (found["recipient_id"], found["recipient_user_id"]) == (USER, f"US.{USER}")
    for body, signature in zip(told.bodies, told.signatures):
        assert signature == "sha256=" + hmac.new(b"s", body, hashlib.sha256).hexdigest()
        assert value(body)["metadata"] == {
            "display_phone_number": "15550100900",
            "phone_number_id": NUMBER_ID,
        }


def test_a_webhook_is_told_until_it_is_taken(fake: FakeGraph) -> None:
    deaf = Told(refuse=2)
    fake.webhooks.url = deaf.url
    fake.messages.statuses = (("sent", 0.0),)
    fake.messages.open_window(NUMBER_ID, USER)
    ask(fake, TEXT)
    assert fake.webhooks.join(5)
    assert [s["status"] for s in deaf.statuses()] == ["sent"]
    deaf.server.stop(timeout=0.1)


def test_a_closed_window_is_told_by_a_webhook_and_a_template_goes_through(
    fake: FakeGraph, told: Told
) -> None:
    fake.webhooks.url = told.url
    assert ask(fake, TEXT)[0] == 200
    fake.webhooks.join(5)
    (failed,) = told.statuses()
    assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131047)
    assert fake.messages.refused[0][0] == 131047
    template = {"name": "hello", "language": {"code": "en"}}
    ask(fake, {"messaging_product": "whatsapp", "to": USER, "type": "template", "template": template})
    fake.webhooks.join(5)
    assert [s["status"] for s in told.statuses()][1:] == ["sent", "delivered", "read"]


def test_without_a_webhook_the_answer_says_so(fake: FakeGraph) -> None:
    assert code(ask(fake, TEXT)) == 131047
    fake.messages.open_window(NUMBER_ID, USER, -1)
    assert code(ask(fake, TEXT)) == 131047
    fake.messages.open_window(NUMBER_ID, USER)
    assert code(ask(fake, TEXT)) == 0
    fake.messages.undeliverable.add(USER)
    assert code(ask(fake, TEXT)) == 131026


def test_a_user_who_writes_opens_the_window(fake: FakeGraph, told: Told) -> None:
    fake.webhooks.url = told.url
    wamid = fake.user_writes(NUMBER_ID, USER, "hi", name="Ann")
    fake.webhooks.join(5)
    (message,) = value(told.bodies[0])["messages"]
    assert (message["id"], message["from"], message["text"]) == (wamid, USER, {"body": "hi"})
    assert value(told.bodies[0])["contacts"][0]["profile"] == {"name": "Ann"}
    assert code(ask(fake, TEXT)) == 0


def test_the_pair_rate_has_a_burst_that_counts_against_what_comes_later(fake: FakeGraph) -> None:
    fake.messages.open_window(NUMBER_ID, USER)
    fake.messages.number_per_s = 1000
    codes = [code(ask(fake, TEXT)) for _ in range(46)]
    assert codes == [0] * 45 + [131056]
    fake.messages.open_window(NUMBER_ID, "15550100143")
    assert code(ask(fake, TEXT | {"to": "15550100143"})) == 0


def test_a_strict_pair_rate_recovers(fake: FakeGraph) -> None:
    fake.messages.open_window(NUMBER_ID, USER)
    fake.messages.pair_burst, fake.messages.pair_every_s = 1, 0.2
    assert [code(ask(fake, TEXT)) for _ in range(2)] == [0, 131056]
    gevent.sleep(0.25)
    assert code(ask(fake, TEXT)) == 0


def test_the_throughput_of_a_number_is_bounded(fake: FakeGraph) -> None:
    fake.messages.keeps_windows = False
    fake.messages.number_per_s = 5
    codes = [code(ask(fake, TEXT | {"to": f"1555010{i:04}"})) for i in range(6)]
    assert codes == [0] * 5 + [130429]


INTERACTIVE = {"messaging_product": "whatsapp", "to": USER, "type": "interactive"}


def button(**parameters: object) -> dict[str, object]:
    given = {"display_text": "Call Now"} | parameters
    about = {
        "type": "voice_call",
        "body": {"text": "x"},
        "action": {"name": "voice_call", "parameters": given},
    }
    return INTERACTIVE | {"interactive": about}


WRONG = [
    (131008, {k: v for k, v in TEXT.items() if k != "to"}),
    (100, {k: v for k, v in TEXT.items() if k != "messaging_product"}),
    (100, TEXT | {"type": "video_call"}),
    (100, TEXT | {"text": "hello"}),
    (131008, TEXT | {"text": {}}),
    (131009, TEXT | {"text": {"body": "x" * 4097}}),
    (131009, TEXT | {"biz_opaque_callback_data": "x" * 513}),
    (131009, button(display_text="x" * 21)),
    (131009, button(payload="x" * 513)),
    (131009, button(ttl_minutes=0)),
    (131009, button(ttl_minutes=43_201)),
    (131009, button(ttl_minutes="100")),
    (131009, INTERACTIVE | {"interactive": {"type": "dance", "body": {"text": "x"}, "action": {}}}),
    (
        131008,
        INTERACTIVE | {"interactive": {"type": "voice_call", "body": {}, "action": {"name": "voice_call"}}},
    ),
    (131008, {**TEXT, "type": "template", "template": {"name": "x"}}),
    (132001, {**TEXT, "type": "template", "template": {"name": "x", "language": {"code": "xx"}}}),
    (100, [1]),
]


@pytest.mark.parametrize(("expected", "body"), WRONG, ids=[f"{i}-{c}" for i, (c, _) in enumerate(WRONG)])
def test_what_meta_refuses_is_refused(fake: FakeGraph, expected: int, body: object) -> None:
    fake.messages.open_window(NUMBER_ID, USER)
    fake.messages.templates = {"hello": {"en"}}
    answer = ask(fake, body)
    assert code(answer) == expected, answer
    assert fake.received == []


def test_what_meta_takes_is_taken(fake: FakeGraph) -> None:
    fake.messages.open_window(NUMBER_ID, USER)
    assert code(ask(fake, button(ttl_minutes=43_200, payload="x" * 512))) == 0
    assert code(ask(fake, TEXT | {"text": {"body": "x" * 4096}})) == 0
    seen = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"}
    assert ask(fake, seen) == (200, {"success": True})
    assert len(fake.received) == 2


def test_a_wrong_token_is_refused(fake: FakeGraph) -> None:
    assert code(ask(fake, TEXT, token="other")) == 190


def test_faults_come_in_a_row_and_for_their_path_only(fake: FakeGraph) -> None:
    fake.messages.open_window(NUMBER_ID, USER)
    fake.fail_next(2, code=130429)
    fake.fail_next(status=502)
    fake.add_route("GET", "/9", lambda _request: GraphAnswer(200, {"ok": True}))
    assert ask(fake, None, path="/v25.0/9", method="GET") == (200, {"ok": True})
    assert [code(ask(fake, TEXT)) for _ in range(2)] == [130429, 130429]
    with pytest.raises(ValueError, match="Expecting value"):
        ask(fake, TEXT)
    assert code(ask(fake, TEXT)) == 0
    assert len(fake.received) == 1


def test_a_code_may_come_later(fake: FakeGraph, told: Told) -> None:
    fake.webhooks.url = told.url
    fake.messages.open_window(NUMBER_ID, USER)
    fake.fail_next(code=131026, later=True)
    assert ask(fake, TEXT)[0] == 200
    fake.webhooks.join(5)
    assert [(s["status"], s["errors"][0]["code"]) for s in told.statuses()] == [("failed", 131026)]


def test_a_dropped_connection_is_cut_without_a_word(fake: FakeGraph) -> None:
    fake.messages.open_window(NUMBER_ID, USER)
    fake.fail_next(drop=True)
    fake.fail_next(drop_after_accept=True)
    for taken in (0, 1):
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            ask(fake, TEXT)
        assert len(fake.received) == taken


def test_permission_to_call_is_told(fake: FakeGraph) -> None:
    path = f"/v25.0/{NUMBER_ID}/call_permissions"
    _, answer = ask(fake, None, path=f"{path}?user_wa_id={USER}", method="GET")
    assert answer["permission"] == {"status": "no_permission"}
    fake.messages.permissions[USER] = "temporary"
    _, answer = ask(fake, None, path=f"{path}?user_wa_id={USER}", method="GET")
    assert answer["permission"]["status"] == "temporary"
    assert {one["action_name"]: one["can_perform_action"] for one in answer["actions"]}["start_call"] is True
    assert code(ask(fake, None, path=path, method="GET")) == 100


def test_a_path_that_is_not_there(fake: FakeGraph) -> None:
    assert code(ask(fake, None, path="/v25.0/9/dance", method="GET")) == 100


def test_the_ninth_digit_is_told_in_the_answer(fake: FakeGraph) -> None:
    fake.messages.keeps_windows = False
    fake.messages.wa_ids["5511987654321"] = "551187654321"
    _, answer = ask(fake, TEXT | {"to": "+5511987654321"})
    assert answer["contacts"][0] == {
        "input": "+5511987654321",
        "wa_id": "551187654321",
        "user_id": "US.5511987654321",
    }
    _, answer = ask(fake, {k: v for k, v in TEXT.items() if k != "to"} | {"recipient": "US.1349"})
    assert answer["contacts"][0] == {"input": "US.1349", "user_id": "US.1349"}
