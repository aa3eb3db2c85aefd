"""``api``: the chosen FreeSWITCH's own commands."""

import shlex

from fsctl.console import roles
from fsctl.console.commands.command import Arguments, Asked, Result, command
from fsctl.errors import BadInput
from fsctl.esl.encode.console import Api
from fsctl.terminal import escape

MAX_TEXT = 100_000
"""Characters shown of an answer."""


def _api(parser: Arguments) -> None:
    parser.add_argument(
        "words", nargs="+", metavar="WORD", help="such as `show channels`; `--` before a dash"
    )


@command("have the chosen FreeSWITCH run a command of its own, as the role allows", arguments=_api)
def api(asked: Asked) -> Result:
    """As an ESL client's ``api``: what a role may run stands in ``console.roles``."""
    line = roles.settled(shlex.join(asked.options.words))
    least = roles.required(line)
    if not asked.who.may(least):
        raise BadInput(f"{escape(line[:80])!r} is for {least}s; {asked.who.user} is {asked.who.role}")
    node = asked.house.chosen()
    with asked.house.connect(node.name) as switch:
        reply = switch.request(Api(line))
    shown = [escape(one) for one in reply.text[:MAX_TEXT].strip("\n").split("\n")]
    return Result(
        "\n".join(shown), ok=reply.ok, values={"node": node.name, "reply": reply.text}, node=node.name
    )
