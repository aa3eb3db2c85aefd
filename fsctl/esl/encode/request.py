"""What every command is; and one command that is run beside others."""

from dataclasses import dataclass
from typing import Protocol

from fsctl.esl.encode.quoting import uuid


class Request(Protocol):
    """A command that can be sent."""

    def render(self) -> str:
        """Its text. Raises Unencodable."""


@dataclass(frozen=True)
class Background:
    """Any ``api`` command, run beside others; its result comes as an event with our Job-UUID."""

    request: Request
    job_uuid: str

    def render(self) -> str:
        return f"bg{self.request.render()}\nJob-UUID: {uuid(self.job_uuid)}"
