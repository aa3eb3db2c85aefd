"""``say``, ``hangup``, ``transfer``: what people do to a call that goes on.

Each looks up the call, sends to the node that the call is on, and says what FreeSWITCH answered.
"""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache

from fsctl.call.policy import QUEUE_NAME
from fsctl.call.state import Call, Phase
from fsctl.config import share_dir
from fsctl.console.commands.agents import would_send
from fsctl.console.commands.command import Arguments, Asked, House, Result, Switch, command
from fsctl.errors import BadInput, CommandRefused, ConfigError
from fsctl.esl import encode
from fsctl.store.call_view import CallsView
from fsctl.store.queues import Queues
from fsctl.terminal import escape

CAUSES = ("NORMAL_CLEARING", "MANAGER_REQUEST", "USER_BUSY", "CALL_REJECTED", "SERVICE_UNAVAILABLE")
CONTEXT, STEP = "fsctl-path", "transferred"
"""Where the dialplan takes over a caller whose queue was changed (dialplan/path.xml)."""


def going_on(house: House, name: str) -> Call:
    """The call that is meant. Raises BadInput: none, or it has ended."""
    call = CallsView(house.database).read(name).item.call
    if call.phase is Phase.ENDED:
        raise BadInput(f"call {call.uuid} has ended")
    return call


def _must(switch: Switch, request: encode.Request) -> str:
    reply = switch.request(request)
    if not reply.ok:
        raise CommandRefused(f"{type(request).__name__}: FreeSWITCH said {reply.text.strip()[:200]!r}")
    return reply.text.strip()


def _send(
    house: House, call: Call, requests: Sequence[encode.Request], done: str, *, dry_run: bool
) -> Result:
    if dry_run:
        return would_send(requests, call.node)
    with house.connect(call.node) as switch:
        replies = [_must(switch, request) for request in requests]
    return Result(escape(done), values={"done": done, "replies": replies}, node=call.node)


# --- hangup ------------------------------------------------------------------------------------------------


def _hangup(parser: Arguments) -> None:
    parser.add_argument("uuid", help="a call that goes on")
    parser.add_argument("cause", nargs="?", choices=CAUSES, default="MANAGER_REQUEST", help="hangup cause")


def _end(options: argparse.Namespace) -> str:
    return f"End call {escape(options.uuid)}?"


@command(
    "end a call", role="operator", arguments=_hangup, places=("call", CAUSES), changes=True, question=_end
)
def hangup(asked: Asked) -> Result:
    """``uuid_kill`` of the caller's leg; the agent's goes with it."""
    call = going_on(asked.house, asked.options.uuid)
    request = encode.HangUp(call.uuid, asked.options.cause)
    return _send(asked.house, call, [request], f"call {call.uuid} is ended", dry_run=asked.options.dry_run)


# --- transfer ----------------------------------------------------------------------------------------------


def _transfer(parser: Arguments) -> None:
    parser.add_argument("uuid", help="a call that goes on")
    parser.add_argument("queue", help="such as support@fsctl")


def _move(options: argparse.Namespace) -> str:
    return f"Take call {escape(options.uuid)} from whoever has it and put it into {escape(options.queue)}?"


@command(
    "put a call into another queue",
    role="operator",
    arguments=_transfer,
    places=("call", "queue"),
    changes=True,
    question=_move,
)
def transfer(asked: Asked) -> Result:
    """The queue is set first, then the caller leaves what goes on; an agent who talks is hung up."""
    call = going_on(asked.house, asked.options.uuid)
    _require_queue(asked.options.queue, call.node, asked.house)
    requests: list[encode.Request] = [
        encode.SetVariables(call.uuid, (("fsctl_queue", asked.options.queue),)),
        encode.Transfer(call.uuid, STEP, CONTEXT),
    ]
    done = f"call {call.uuid} goes to {asked.options.queue}"
    return _send(asked.house, call, requests, done, dry_run=asked.options.dry_run)


def _require_queue(queue: str, node: str, house: House) -> None:
    """mod_callcenter lets a caller fall through a queue that it has not: the call would end."""
    known = Queues(house.database).names(node)
    if not QUEUE_NAME.match(queue) or queue not in known:
        raise BadInput(f"{node} has no queue {queue[:80]!r} (there is: {', '.join(known) or 'none known'})")


# --- say ---------------------------------------------------------------------------------------------------


def _say(parser: Arguments) -> None:
    parser.add_argument("uuid", help="a call that goes on")
    parser.add_argument("prompt", help="one of ours, such as recorded")
    parser.add_argument("--language", metavar="XX", help="such as es (default: the call's)")
    parser.add_argument("--both", action="store_true", help="the agent hears it, too")


@command(
    "play one of our prompts to a caller",
    role="operator",
    arguments=_say,
    places=("call", "prompt"),
    changes=True,
)
def say(asked: Asked) -> Result:
    """``uuid_broadcast`` of a prompt below the switch's own ``fsctl_prompts``."""
    call = going_on(asked.house, asked.options.uuid)
    with asked.house.connect(call.node) as switch:
        language = asked.options.language or _spoken(switch, call)
        if asked.options.prompt not in prompts().get(language, {}):
            raise BadInput(_no_prompt(asked.options.prompt, language))
        folder = _must(switch, encode.ReadGlobal("fsctl_prompts"))
        if not folder:
            raise ConfigError(f"{call.node}: the global variable fsctl_prompts is not set (vars.xml)")
        path = f"{folder}/{language}/{asked.options.prompt}.wav"
        request = encode.Play(call.uuid, path, "both" if asked.options.both else "aleg")
        if asked.options.dry_run:
            return would_send([request], call.node)
        reply = _must(switch, request)
    done = f"{asked.options.prompt} ({language}) is played to call {call.uuid}"
    return Result(escape(done), values={"done": done, "replies": [reply]}, node=call.node)


def _spoken(switch: Switch, call: Call) -> str:
    """The language that the dialplan speaks to this caller."""
    said = _must(switch, encode.GetVariable(call.uuid, "fsctl_language"))
    if said in prompts():
        return said
    return call.language if call.language and call.language in prompts() else next(iter(prompts()))


def _no_prompt(prompt: str, language: str) -> str:
    if language not in prompts():
        return f"--language {language[:20]}: there are prompts in {', '.join(prompts())}"
    return f"no prompt is named {prompt[:40]!r} (there is: {', '.join(prompts()[language])})"


@cache
def prompts() -> Mapping[str, Mapping[str, str]]:
    """Text of each prompt, by language and name, as freeswitch-conf/prompts/texts.toml has them."""
    texts = tomllib.loads((share_dir("freeswitch-conf") / "prompts" / "texts.toml").read_text())
    return {
        language: {name: text for name, text in table.items() if name != "voice"}
        for language, table in texts.items()
    }
