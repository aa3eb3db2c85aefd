"""``thread``: the chat of a contact with its calls and what was said in them."""

from dataclasses import replace

from fsctl.console import table
from fsctl.console.commands.command import Arguments, Asked, Result, command
from fsctl.crm import as_json, as_text
from fsctl.errors import BadInput
from fsctl.store.items import read_thread
from fsctl.store.threads import Threads

LAST = 30
"""Items shown of a thread: the latest."""
MOST = 100_000


def _thread(parser: Arguments) -> None:
    parser.add_argument("who", nargs="+", help="thread id, number, user id or name of the contact")
    parser.add_argument("--last", type=int, default=LAST, metavar="N", help=f"items shown (default {LAST})")


@command("show a thread: chat, calls and what was said", arguments=_thread)
def thread(asked: Asked) -> Result:
    """One thread with its latest items; where several are meant, a list of them to choose from."""
    if not 1 <= asked.options.last <= MOST:
        raise BadInput(f"--last {asked.options.last}: expected 1 to {MOST}")
    name = " ".join(asked.options.who)
    found = Threads(asked.house.database).find(name)
    if not found:
        raise BadInput(f"no thread for {name[:80]!r}")
    if len(found) > 1:
        rows = [(one.id, one.business_number, one.display_name) for one in found]
        text = table.render(("thread", "number", "contact"), rows, right=("thread",))
        values = [dict(zip(("thread_id", "business_number", "name"), row)) for row in rows]
        return Result(text, values=values)
    view = read_thread(asked.house.database, found[0])
    shown = replace(view, items=view.items[-asked.options.last :])
    left = len(view.items) - len(shown.items)
    note = [f"({left} items before these: --last {len(view.items)})"] if left else []
    return Result("\n".join([as_text.render(shown), *note]), values=as_json.as_dict(shown))
