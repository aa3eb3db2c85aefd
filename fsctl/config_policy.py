"""The part of the config that routing looks at: numbers, queues, hours, rules, redaction, the payloads' secret."""

import dataclasses
import re
from datetime import date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from fsctl import config_followup
from fsctl.call.hours import DAYS, Hours, Span, span
from fsctl.call.policy import QUEUE_NAME, Followup, Number, Policy, Queue, Rule
from fsctl.errors import BadInput, ConfigError
from fsctl.tables import Tables
from fsctl.transcribe import redact
from fsctl.transcribe.language import ISO_639_1

SECRET_BYTES = 16
"""A shorter secret could be guessed."""


def read(rest: dict[str, Any], tables: Tables) -> Policy:
    """Take what routing and redaction look at out of the file's tables.

    They are ``number``, ``queue``, ``hours``, ``rule``, ``routing``, ``payload`` and ``redact``.

    Raises:
        ConfigError: with the file, the key, and what is expected; also for names of queues' hours that no table
            has.
    """
    numbers = tables.take(rest, "number", dict, {})
    queues = tables.take(rest, "queue", dict, {})
    hours = tables.take(rest, "hours", dict, {})
    rules = tables.take(rest, "rule", list, [])
    routing = tables.take(rest, "routing", dict, {})
    default = tables.take(rest, "default_queue", str, Policy.default_queue)
    wanted = {"default_queue", "sticky_for_s", "sticky_queue"}
    skip = {field.name for field in dataclasses.fields(Policy)} - wanted
    base = tables.fill(Policy, {"default_queue": default, **routing}, "routing", skip=skip)
    policy = dataclasses.replace(
        base,
        numbers={_digits(key, tables): tables.fill(Number, n, f"number.{key}") for key, n in numbers.items()},
        queues={name: _queue(one, f"queue.{name}", tables) for name, one in queues.items()},
        hours={name: _hours(one, f"hours.{name}", tables) for name, one in hours.items()},
        rules=tuple(tables.fill(Rule, one, f"rule[{i}]") for i, one in enumerate(rules)),
        payload_secrets=_secrets(tables.take(rest, "payload", dict, {}), tables),
        patterns=_patterns(tables.take(rest, "redact", dict, {}), tables),
    )
    _require_names(policy, tables)
    _require_redaction(policy, tables)
    _require_spoken(policy, tables)
    config_followup.require(policy, tables)
    return policy


def _queue(table: Any, where: str, tables: Tables) -> Queue:
    rest = dict(tables.typed(table, dict, where))
    followup = tables.fill(Followup, tables.take(rest, "followup", dict, {}, where), f"{where}.followup")
    found = tables.fill(Queue, rest, where, skip={"followup"})
    return dataclasses.replace(found, followup=followup)


def _digits(key: str, tables: Tables) -> str:
    if not re.fullmatch(r"\+?[0-9]{5,20}", key):
        raise tables.error(f"number.{key}", "digits of a business number", key)
    return key.lstrip("+")


def _hours(table: Any, where: str, tables: Tables) -> Hours:
    rest = dict(tables.typed(table, dict, where))
    zone = _zone(tables.take(rest, "timezone", str, "UTC", where), where, tables)
    holidays = tables.take(rest, "holidays", list, [], where)
    week = tuple(_spans(rest.pop(day, []), f"{where}.{day}", tables) for day in DAYS)
    if rest:
        known = ", ".join(("timezone", "holidays", *DAYS))
        raise tables.error(f"{where}.{next(iter(rest))}", f"one of {known}", next(iter(rest)))
    days = frozenset(_day(one, f"{where}.holidays", tables) for one in holidays)
    return Hours(zone=zone, week=week, holidays=days)


def _zone(name: str, where: str, tables: Tables) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise tables.error(f"{where}.timezone", "a time zone such as Europe/Madrid", name) from error


def _spans(value: Any, where: str, tables: Tables) -> tuple[Span, ...]:
    try:
        return tuple(span(tables.typed(one, str, where)) for one in tables.typed(value, list, where))
    except ValueError as error:
        raise tables.error(where, 'a list such as ["09:00-13:00", "14:00-18:00"]', value) from error


def _day(value: Any, where: str, tables: Tables) -> date:
    """TOML has dates of its own; a string will do too."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(tables.typed(value, str, where))
    except ValueError as error:
        raise tables.error(where, "a day such as 2026-12-25", value) from error


def _secrets(table: dict[str, Any], tables: Tables) -> tuple[bytes, ...]:
    """The secret that signs payloads, and the one before it, which is still read."""
    rest = dict(table)
    found = [tables.secret(rest, "payload", name, "the secret") for name in ("secret", "old_secret")]
    if rest:
        raise tables.error(
            f"payload.{next(iter(rest))}", "secret_env, secret_file, old_secret_env or old_secret_file", ""
        )
    secrets = tuple(one.encode() for one in found if one is not None)
    for one in secrets:
        if len(one) < SECRET_BYTES:
            raise tables.error("payload.secret", f"at least {SECRET_BYTES} characters", "a shorter one")
    return secrets


def _patterns(table: dict[str, Any], tables: Tables) -> dict[str, str]:
    """``[redact.patterns]``: what may be redacted besides our own kinds."""
    rest = dict(table)
    patterns: dict[str, str] = tables.take(rest, "patterns", dict, {}, "redact")
    if rest:
        raise tables.error(f"redact.{next(iter(rest))}", "patterns, and nothing else", next(iter(rest)))
    for name, pattern in patterns.items():
        where = f"redact.patterns.{name}"
        try:
            redact.require([f"{name}={tables.typed(pattern, str, where)}"])
        except BadInput as error:
            raise ConfigError(f"{tables.source}: {where}: {error}") from error
        if name in redact.FINDERS or not redact.NAME.fullmatch(name):
            raise tables.error(
                where, f"another name, in small letters, than {', '.join(redact.FINDERS)}", name
            )
    return patterns


def _require_redaction(policy: Policy, tables: Tables) -> None:
    """What queues want redacted is known."""
    for key, queue in policy.queues.items():
        for kind in queue.redact:
            if kind not in redact.FINDERS and kind not in policy.patterns:
                known = ", ".join((*redact.FINDERS, *policy.patterns))
                raise tables.error(f"queue.{key}.redact", f"some of {known}", kind)


def _require_spoken(policy: Policy, tables: Tables) -> None:
    """Languages that queues allow are languages."""
    for key, queue in policy.queues.items():
        for code in queue.spoken:
            if code not in ISO_639_1:
                raise tables.error(
                    f"queue.{key}.spoken", 'codes of languages by ISO 639-1, such as ["en", "es"]', code
                )


def _require_names(policy: Policy, tables: Tables) -> None:
    """Hours that are named are there, and queues are called as the dialplan takes them."""
    asked = [(f"queue.{name}.hours", queue.hours) for name, queue in policy.queues.items()]
    asked += [(f"rule {rule.name}", name) for rule in policy.rules for name in (rule.open, rule.closed)]
    for where, name in asked:
        if name is not None and name not in policy.hours:
            raise tables.error(
                where, f"one of the [hours] ({', '.join(policy.hours) or 'there are none'})", name
            )
    called = [("default_queue", policy.default_queue)]
    called += [(f"queue.{name}", name) for name in policy.queues]
    called += [
        (f"number.{key}.queue", number.queue) for key, number in policy.numbers.items() if number.queue
    ]
    called += [(f"rule {rule.name}", rule.queue) for rule in policy.rules if rule.queue]
    called += [("routing.sticky_queue", policy.sticky_queue.replace("{agent}", "agent"))]
    for key, queue in policy.queues.items():
        called += [(f"queue.{key}.languages", name) for name in queue.languages.values()]
        called += [(f"queue.{key}.skills", name) for name in queue.skills.values()]
    for where, name in called:
        if not QUEUE_NAME.match(name):
            raise tables.error(where, "a queue such as support@fsctl", name)
