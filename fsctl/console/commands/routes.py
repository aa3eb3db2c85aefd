"""``route explain``: why a call goes where it goes."""

import json

from fsctl.console import moment, route_question
from fsctl.console import route as explanation
from fsctl.console.commands.command import Arguments, Asked, Result, command


def _route(parser: Arguments) -> None:
    parser.add_argument("action", choices=["explain"])
    route_question.add_arguments(parser, moment.read)


@command(
    "explain what each rule says of a call", arguments=_route, places=(("explain",), ("--wacid",), "call")
)
def route(asked: Asked) -> Result:
    """As ``fsctl route explain``: of a stored call as if it came now, or of one that is made up."""
    found = route_question.explain(asked.house.config, asked.house.database, asked.options)
    return Result(
        explanation.as_text(found), values=json.loads(explanation.as_json(found)), node=found.call.node
    )
