"""What a customer types and must not be stored is never written."""

from datetime import UTC, datetime

from fsctl.call.events import Alias
from fsctl.call.policy import Number, Policy, Queue
from fsctl.store.db import Database
from fsctl.store.threads import NewMessage, Threads

ANN = [Alias(kind="wa_id", value="15550100142")]
POLICY = Policy(
    numbers={"15550100900": Number(queue="pay@fsctl")},
    queues={"pay@fsctl": Queue(redact=("card", "code", "order"))},
    patterns={"order": "kd-?[0-9]{6}"},
)


def typed(database: Database, number: str, *bodies: str) -> list[str]:
    """What is stored of messages."""
    messages = [
        NewMessage(wamid=f"{number}.{i}", direction="inbound", body=body, sent_at=datetime.now(UTC))
        for i, body in enumerate(bodies)
    ]
    thread = Threads(database, POLICY.redaction_of_chat).add_messages(ANN, "Ann", None, number, messages)
    with database.transaction("test") as transaction:
        return [row["body"] for row in transaction.rows("threads.messages_of_thread", thread_id=thread)]


def test_the_numbers_queue_says_what_is_taken_out(database: Database) -> None:
    bodies = (
        "4111 1111-1111 1111",
        "My CVV is 123, order KD-123456",
        "cuatro uno uno uno " * 4,
        "see you at 10:30",
    )
    stored = typed(database, "15550100900", *bodies)
    assert stored[:2] == ["[card]", "My CVV is [code], order [order]"]
    assert "uno" not in stored[2]
    assert stored[3] == "see you at 10:30"


def test_where_nobody_asks_the_chat_stays_as_it_is(database: Database) -> None:
    assert typed(database, "15550100901", "4111 1111 1111 1111") == ["4111 1111 1111 1111"]
