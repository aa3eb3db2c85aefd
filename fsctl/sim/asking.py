"""The application ``play_and_get_digits``: a prompt, keys, a check, and another try.

Source: switch_ivr_play_say.c switch_ivr_read, 2505-2628, and switch_play_and_get_digits, 2630-2745;
switch_ivr.c switch_ivr_collect_digits_count, 1342. ``transfer_on_failure`` and terminators with ``=``, ``+``
or ``x`` are not modelled.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsctl.sim import digits
from fsctl.sim.channel import Channel
from fsctl.sim.dialplan import search
from fsctl.sim.playback import play
from fsctl.sim.words import split

if TYPE_CHECKING:
    from fsctl.sim.session import Session


@dataclass(frozen=True)
class Question:
    """The arguments: how many keys, how often, how long (seconds), with which sounds, into which variable."""

    least: int
    most: int
    tries: int
    timeout_s: float
    terminators: str
    prompt: str
    bad_input: str
    variable: str
    expression: str
    digit_timeout_s: float

    @classmethod
    def parse(cls, data: str) -> "Question":
        """``MIN MAX TRIES MS TERMINATORS PROMPT BAD_INPUT VARIABLE REGEX DIGIT_MS``, later ones optional.

        Raises:
            ValueError: more than the simulator models.
        """
        words = split(data)
        if len(words) > 10:
            raise ValueError(f"play_and_get_digits {data!r}: the simulator does not transfer on failure")
        least, most, tries, timeout, terminators, prompt, bad, variable, regex, digit = words + [""] * (
            10 - len(words)
        )
        timeout_s = int(timeout or 1000) / 1000
        low = max(int(least or 0), 0)
        high = max(int(most or 0), low, 1)
        return cls(
            low, high, max(int(tries or 0), 1), timeout_s, terminators, prompt, bad, variable, regex,
            int(digit or 0) / 1000 or timeout_s,
        )  # fmt: skip


def play_and_get_digits(session: "Session", data: str) -> None:
    """Ask until an answer fits or the tries are used up; the variable is unset then."""
    question, channel = Question.parse(data), session.channel
    if question.expression:
        channel.set(f"{question.variable}_invalid", None)
    session.pre_answer()
    for _try in range(question.tries):
        if not channel.ready:
            return
        answer = _read(channel, question)
        if answer is not None:
            if not answer or not question.expression or search(question.expression, answer):
                return
            channel.set(question.variable, None)
            channel.set(f"{question.variable}_invalid", answer)
        if channel.ready:
            play(channel, question.bad_input)


def _read(channel: Channel, question: Question) -> str | None:
    """One try: the keys; "" when a terminator said that there are none; None when there are too few."""
    channel.set("read_result", None)
    channel.set(question.variable, None)
    pressed: list[str] = []

    def on_digit(digit: str) -> bool:
        pressed.append(digit)
        return True

    if question.prompt and question.prompt != "silence":
        played = play(channel, question.prompt, on_digit=on_digit)
        if played is None:
            return None
    result, terminator = _collect(channel, question, pressed)
    if terminator:
        channel.set("read_terminator_used", terminator)
    got = "".join(pressed)
    short = len(got) < question.least
    channel.set("read_result", "failure" if short else result)
    if got:
        channel.set(question.variable, got)
    if terminator and not got and not question.least:
        return ""
    return None if short or not got else got


def _collect(channel: Channel, question: Question, pressed: list[str]) -> tuple[str, str]:
    """Read keys until there are enough, a terminator, or no more in time: ``read_result``, terminator."""
    if pressed and pressed[0] in question.terminators:
        return "success", pressed.pop()
    clock = channel.bus.clock
    deadline = clock.now_s() + (question.digit_timeout_s if pressed else question.timeout_s)
    while len(pressed) < question.most:
        left = deadline - clock.now_s()
        if not channel.ready:
            return "failure", ""
        if channel.digits:
            digit = digits.take(channel)
            if digit in question.terminators:
                return "success", digit
            pressed.append(digit)
            deadline = clock.now_s() + question.digit_timeout_s
        elif left > 0:
            channel.wait(left)
        else:
            return "timeout", ""
    return "success", ""
