"""What routing may know when a call is offered: the contact's past with us, and the load of the node's queues."""

from fsctl.call import sla
from fsctl.call.known import Known, Load, Past
from fsctl.store.db import Transaction

MESSAGES = 5
"""Chat messages that rules may look into."""
MESSAGE_AGE_DAYS = 3
MESSAGE_LENGTH = 1000
"""Characters of each: rules of the config search them."""


def read(transaction: Transaction, contact_id: int, node: str) -> Known:
    """All of it, within the transaction that found the contact; of an id that is nobody's, the queues only."""
    row = transaction.one(
        "known.past",
        contact_id=contact_id, node=node, most=MESSAGES, days=MESSAGE_AGE_DAYS, length=MESSAGE_LENGTH,
    )  # fmt: skip
    loads = transaction.rows("known.loads", node=node, history=sla.HISTORY_CALLS)
    return Known(
        past=Past(**row | {"messages": tuple(row["messages"])}) if row else Past(),
        loads={one.pop("queue"): Load(**one) for one in loads},
    )
