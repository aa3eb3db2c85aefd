"""How those who take part in a thread are called in what leaves the house."""

from fsctl.call.state import Call
from fsctl.store.items import ThreadView

CUSTOMER = "customer"
AGENT = "agent"


def customer(view: ThreadView) -> str:
    """The contact's name, or a word for it."""
    return view.thread.display_name.strip() or CUSTOMER


def speaker(view: ThreadView, call: Call, leg: str) -> str:
    """Who speaks on a leg of a call."""
    return customer(view) if leg == "caller" else (call.agent or AGENT)
