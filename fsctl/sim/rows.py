"""The rows of ``show channels`` and ``show calls``, with FreeSWITCH 1.11's columns (switch_core_sqldb.c)."""

import time
from typing import TYPE_CHECKING

from fsctl.sim import sip
from fsctl.sim.bus import HOSTNAME
from fsctl.sim.channel import Channel

if TYPE_CHECKING:
    from fsctl.sim.switch import Switch

#: Columns that the view basic_calls takes from the table channels, for each leg; the a-leg has some more.
CALL_COLUMNS = (
    "uuid",
    "direction",
    "created",
    "created_epoch",
    "state",
    "cid_name",
    "cid_num",
    "ip_addr",
    "dest",
    "presence_id",
    "presence_data",
    "accountcode",
    "callstate",
    "callee_name",
    "callee_num",
    "callee_direction",
    "sent_callee_name",
    "sent_callee_num",
)


def channel_rows(switch: "Switch") -> list[dict[str, str]]:
    """One row a channel, oldest first."""
    return [_row(channel) for channel in switch.channels.values() if channel.profile is not None]


def call_rows(switch: "Switch") -> list[dict[str, str]]:
    """One row a call: a bridged pair is one, led by the leg that made the bridge."""
    rows = []
    for channel in switch.channels.values():
        bridged = channel.partner is not None and bool(channel.profile and channel.profile.times.bridged)
        if channel.profile is None or (bridged and channel.direction == "outbound"):
            continue
        first, second = _row(channel), _row(channel.partner) if bridged and channel.partner else {}
        row = {name: first[name] for name in CALL_COLUMNS[:-2]}
        row |= {
            name: first[name] for name in ("call_uuid", "hostname", "sent_callee_name", "sent_callee_num")
        }
        row |= {f"b_{name}": second.get(name, "") for name in CALL_COLUMNS}
        row["call_created_epoch"] = first["created_epoch"] if second else ""
        rows.append(row)
    return rows


def _row(channel: Channel) -> dict[str, str]:
    profile = channel.profile
    assert profile is not None
    initial = channel.initial or profile
    created_s = profile.times.created // 1_000_000
    codec = ("opus", "48000", "0") if channel.has_codec else ("", "", "")
    return {
        "uuid": channel.uuid,
        "direction": channel.direction,
        "created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(created_s)),
        "created_epoch": str(created_s),
        "name": channel.name,
        "state": channel.running,
        "cid_name": profile.cid_name,
        "cid_num": profile.cid_number,
        "ip_addr": profile.network_addr,
        "dest": profile.destination,
        "application": channel.application[0],
        "application_data": channel.application[1],
        "dialplan": profile.dialplan,
        "context": profile.context,
        **dict(zip(("read_codec", "read_rate", "read_bit_rate"), codec)),
        **dict(zip(("write_codec", "write_rate", "write_bit_rate"), codec)),
        "secure": sip.SECURE_TYPE if "rtp_secure_media_negotiated" in channel.variables else "",
        "hostname": HOSTNAME,
        "presence_id": "",
        "presence_data": "",
        "accountcode": "",
        "callstate": channel.callstate,
        "callee_name": profile.callee_name,
        "callee_num": profile.callee_number,
        "callee_direction": "SEND" if channel.sent_callee[1] else "",
        "call_uuid": channel.call_uuid,
        "sent_callee_name": channel.sent_callee[0],
        "sent_callee_num": channel.sent_callee[1],
        "initial_cid_name": initial.cid_name,
        "initial_cid_num": initial.cid_number,
        "initial_ip_addr": initial.network_addr,
        "initial_dest": initial.destination,
        "initial_dialplan": initial.dialplan,
        "initial_context": initial.context,
    }
