"""Commands become the text of the Event Socket. Nowhere else is such text put together.

Each command is a value with one method, ``render``: one module a subject, and all are to be had here. Text
from outside (names, payloads, headers) is made fit for exactly the place where it lands, or refused
(``quoting``): a line feed in a command would start a second one. What a person types into a console is a
command already: ``console``.
"""

from fsctl.call import commands
from fsctl.esl.encode.callcenter import (
    ListAgents,
    ListMembers,
    ListQueues,
    ListTiers,
    ReleaseAgent,
    SetAgent,
    SetTierState,
)
from fsctl.esl.encode.channels import (
    ChannelExists,
    DumpChannel,
    GetVariable,
    HangUp,
    MaskRecording,
    MeasureMedia,
    Originate,
    Play,
    SetVariables,
    ShowChannels,
    Transfer,
)
from fsctl.esl.encode.quoting import command, variable
from fsctl.esl.encode.request import Background, Request
from fsctl.esl.encode.sip import (
    FindPhone,
    ForgetGateway,
    ReadDialString,
    ReadPassword,
    ShowRegistrations,
    StartGateway,
)
from fsctl.esl.encode.subscription import EVENTS, FILTERS, SUBCLASSES, Auth, Filter, Subscribe
from fsctl.esl.encode.switch import (
    CoreUuid,
    ReadClock,
    ReadGlobal,
    ReadLedger,
    ReadRow,
    ReadUptime,
    ReloadXml,
    Status,
    StrikeOut,
)

__all__ = [
    "EVENTS",
    "FILTERS",
    "SUBCLASSES",
    "Auth",
    "Background",
    "ChannelExists",
    "CoreUuid",
    "DumpChannel",
    "Filter",
    "FindPhone",
    "ForgetGateway",
    "GetVariable",
    "HangUp",
    "ListAgents",
    "ListMembers",
    "ListQueues",
    "ListTiers",
    "MaskRecording",
    "MeasureMedia",
    "Originate",
    "Play",
    "ReadClock",
    "ReadDialString",
    "ReadGlobal",
    "ReadLedger",
    "ReadPassword",
    "ReadRow",
    "ReadUptime",
    "ReleaseAgent",
    "ReloadXml",
    "Request",
    "SetAgent",
    "SetTierState",
    "SetVariables",
    "ShowChannels",
    "ShowRegistrations",
    "StartGateway",
    "Status",
    "StrikeOut",
    "Subscribe",
    "Transfer",
    "command",
    "encode",
    "variable",
]


def encode(command: commands.SwitchCommand) -> Request:
    """What the machine asks of the switch, as FreeSWITCH's command."""
    match command:
        case commands.SetVariables(uuid=channel_uuid, variables=variables):
            return SetVariables(channel_uuid, variables)
        case commands.HangUp(leg_uuid=leg_uuid, cause=cause):
            return HangUp(leg_uuid, cause)
    raise TypeError(f"no ESL for {type(command).__name__}")
