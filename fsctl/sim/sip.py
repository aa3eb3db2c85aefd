"""The SIP and RTP variables that mod_sofia puts on a channel: INVITE, SDP, answer, BYE.

Names and order are those of call_queue_plain and cc_abandon; the shape of Meta's INVITE and SDP is
Meta, "Configure SIP" (From host wa.meta.vc, Call-ID ``outgoing:`` + wacid, SDES). An ordinary trunk's INVITE
is the same without what is Meta's own. The SDP: sdp.py.
"""

import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass

from fsctl.sim.plan import CallPlan
from fsctl.sim.sdp import FMTP, IP, SUITE, crypto_line, local_sdp, offer_sdp

Variables = list[tuple[str, str]]

SIP_HOST = "sip.example.com"
SIP_IP = IP
SECURE_TYPE = f"srtp:sdes:{SUITE}"
CODEC_STRING = "OPUS,PCMU,PCMA"
OFFERED_CODECS = "mod_opus.opus@48000h@20i@2c"


@dataclass(frozen=True)
class Trunk:
    """Who is at the other end of a profile."""

    profile: str
    host: str
    port: int
    signalling_ip: str
    media_ip: str
    user_agent: str


TRUNKS = {
    "whatsapp": Trunk(
        "whatsapp", "wa.meta.vc", 5061, "157.240.19.130", "57.144.219.49", "Facebook SipGateway"
    ),
    "sip": Trunk("sip", "trunk.example.net", 5060, "198.51.100.20", "198.51.100.21", "Example SBC"),
}
#: Seconds that the originate of mod_callcenter rings without a leg_timeout in the contact.
DEFAULT_LEG_TIMEOUT_S = 60.0


def new_wacid(rng: random.Random) -> str:
    """A call id as Meta's look: ``wacid.`` and base64."""
    return "wacid.HBgL" + base64.b64encode(rng.randbytes(33)).decode()


def channel_name(plan: CallPlan) -> str:
    """The name mod_sofia gives the leg of this INVITE."""
    trunk = TRUNKS[plan.kind]
    return f"sofia/{trunk.profile}/{plan.from_user}@{trunk.host}"


def invite_variables(
    plan: CallPlan, uuid: str, session_id: int, now_us: int, rng: random.Random
) -> Variables:
    """Everything present at CHANNEL_CREATE. A WhatsApp plan already carries x-wa-meta-wacid."""
    trunk, via_tls = TRUNKS[plan.kind], plan.via == "tls"
    ours = 5061 if via_tls else 5060
    user, number, tag = plan.from_user, plan.to_number, f"{rng.getrandbits(32):08x}"
    display = f'"{plan.display_name}" ' if plan.display_name else ""
    port = str(rng.randrange(20_000, 60_000))
    branch = f"z9hG4bK{rng.getrandbits(64):016x}"
    via = (
        f"SIP/2.0/{plan.via.upper()} {trunk.host}:{trunk.port};branch={branch};rport={port};"
        f"received={trunk.signalling_ip}"
    )
    wacid = plan.header("x-wa-meta-wacid")
    pairs = [
        ("direction", "inbound"),
        ("uuid", uuid),
        ("call_uuid", uuid),
        ("session_id", str(session_id)),
        ("sip_from_user", user),
        ("sip_from_uri", f"{user}@{trunk.host}"),
        ("sip_from_host", trunk.host),
        ("video_media_flow", "disabled"),
        ("audio_media_flow", "disabled"),
        ("text_media_flow", "disabled"),
        ("channel_name", channel_name(plan)),
        ("sip_call_id", f"outgoing:{wacid}" if wacid else f"{rng.getrandbits(128):032x}"),
        ("sip_local_network_addr", SIP_IP),
        ("sip_network_ip", trunk.signalling_ip),
        ("sip_network_port", port),
        ("sip_invite_stamp", str(now_us)),
        ("sip_received_ip", trunk.signalling_ip),
        ("sip_received_port", port),
        ("sip_via_protocol", plan.via),
        ("sip_from_user_stripped", user.lstrip("+")),
        ("sip_from_tag", tag),
        ("sofia_profile_name", trunk.profile),
        ("sofia_profile_url", f"sip:mod_sofia@{SIP_IP}:{ours}"),
        ("recovery_profile_name", trunk.profile),
        ("sip_full_via", via),
        ("sip_from_display", plan.display_name),
        ("sip_full_from", f"{display}<sip:{user}@{trunk.host}>;tag={tag}"),
        ("sip_full_to", f"<sip:{number}@{SIP_HOST}>"),
        ("sip_allow", "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS"),
        ("sip_req_params", f"transport={plan.via}" if plan.via != "udp" else ""),
        ("sip_req_user", number),
        ("sip_req_uri", f"{number}@{SIP_HOST}"),
        ("sip_req_host", SIP_HOST),
        ("sip_to_user", number),
        ("sip_to_uri", f"{number}@{SIP_HOST}"),
        ("sip_to_host", SIP_HOST),
        ("sip_contact_params", f"transport={plan.via};ob"),
        ("sip_contact_user", user),
        ("sip_contact_uri", f"{user}@{trunk.host}"),
        ("sip_contact_host", trunk.host),
        ("rtp_use_codec_string", CODEC_STRING),
        ("sip_user_agent", trunk.user_agent),
        ("sip_via_host", trunk.host),
        ("sip_via_port", str(trunk.port)),
        ("sip_via_rport", port),
        ("max_forwards", "70"),
        ("sip_h_X-FB-External-Domain", trunk.host if plan.kind == "whatsapp" else ""),
    ]
    pairs += [(f"sip_h_{name}", value) for name, value in plan.headers]
    pairs += [
        ("switch_r_sdp", offer_sdp(trunk.media_ip, crypto_line(rng) if plan.offers_srtp else "", rng)),
        ("ep_codec_string", OFFERED_CODECS),
        ("endpoint_disposition", "DELAYED NEGOTIATION"),
    ]
    return [(name, value) for name, value in pairs if value]


def offered_crypto(variables: Mapping[str, str]) -> str:
    """The a=crypto of the offer, empty without one."""
    return variables.get("switch_r_sdp", "").partition("a=crypto:")[2].partition("\r\n")[0]


#: What negotiation has looked at by the time it finds no crypto, or goes on.
FLOWS: Variables = [
    ("rtp_use_codec_string", CODEC_STRING),
    ("remote_video_media_flow", "inactive"),
    ("remote_text_media_flow", "inactive"),
    ("remote_audio_media_flow", "sendrecv"),
    ("audio_media_flow", "sendrecv"),
]
#: Crypto was demanded and not offered: the leg at its CHANNEL_HANGUP (measured).
NO_CRYPTO: Variables = [
    *FLOWS,
    ("dtmf_type", "rfc2833"),
    ("endpoint_disposition", "CODEC NEGOTIATION ERROR"),
]


def early_media_variables(variables: Mapping[str, str], rng: random.Random) -> Variables:
    """Negotiated media of a caller's leg, first seen at CHANNEL_PROGRESS_MEDIA (call_queue_plain)."""
    offered = offered_crypto(variables)
    media_ip = variables["switch_r_sdp"].partition("c=IN IP4 ")[2].partition("\r\n")[0]
    keys = [
        ("srtp_remote_audio_crypto_key", offered),
        ("srtp_remote_audio_crypto_type", SUITE),
        ("rtp_has_crypto", SUITE),
        ("rtp_last_audio_local_crypto_key", crypto_line(rng)),
    ]
    secured = [("rtp_secure_audio_confirmed", "true"), ("rtp_secure_media_negotiated", SUITE)]
    return [
        *FLOWS,
        *(keys if offered else []),
        *_codec_variables("111"),
        *_media_address(rng.randrange(16_384, 32_768, 2)),
        *_rtp_variables("111", "126", rng.getrandbits(32)),
        ("send_silence_when_idle", "-1"),
        *(secured if offered else []),
        ("remote_media_ip", media_ip),
        ("remote_media_port", "3480"),
        ("endpoint_disposition", "EARLY MEDIA"),
    ]


def answered_variables(variables: Mapping[str, str]) -> Variables:
    """Our answer, at CHANNEL_ANSWER."""
    port, key = int(variables["local_media_port"]), variables.get("rtp_last_audio_local_crypto_key", "")
    return [("rtp_local_sdp_str", local_sdp(port, f"RTP/{'SAVP' if key else 'AVP'} 111 126", key))]


def _codec_variables(payload: str) -> Variables:
    return [
        ("rtp_audio_recv_pt", payload),
        ("rtp_use_codec_name", "opus"),
        ("rtp_use_codec_fmtp", FMTP),
        ("rtp_use_codec_rate", "48000"),
        ("rtp_use_codec_ptime", "20"),
        ("rtp_use_codec_channels", "1"),
        ("rtp_last_audio_codec_string", "opus@48000h@20i@1c"),
        ("read_codec", "opus"),
        ("original_read_codec", "opus"),
        ("read_rate", "48000"),
        ("original_read_rate", "48000"),
        ("write_codec", "opus"),
        ("write_rate", "48000"),
        ("dtmf_type", "rfc2833"),
    ]


def _media_address(port: int) -> Variables:
    return [("local_media_ip", SIP_IP), ("local_media_port", str(port)), ("advertised_media_ip", SIP_IP)]


def _rtp_variables(payload: str, dtmf: str, ssrc: int) -> Variables:
    return [
        ("rtp_use_timer_name", "timerfd"),
        ("rtp_use_pt", payload),
        ("rtp_use_ssrc", str(ssrc)),
        ("rtp_2833_send_payload", dtmf),
        ("rtp_2833_recv_payload", dtmf),
    ]


def parse_contact(contact: str) -> tuple[dict[str, str], str]:
    """``[leg_timeout=20]sofia/agents/agent1@127.0.0.1`` -> leg variables and the dial string."""
    text = contact
    variables: dict[str, str] = {}
    while text[:1] in ("[", "{"):
        inside, _, text = text[1:].partition("]" if text[0] == "[" else "}")
        pairs = (pair.partition("=") for pair in inside.split(","))
        variables |= {name: value for name, equals, value in pairs if equals}
    return variables, text


def outbound_variables(
    dial_string: str, uuid: str, session_id: int, leg: Variables, cid: tuple[str, str], rng: random.Random
) -> Variables:
    """An agent's leg at CHANNEL_CREATE (call_queue_plain); ``leg`` is mod_callcenter's part."""
    profile, _, address = dial_string.partition("/")[2].partition("/")
    host = address.partition("@")[2]
    port = rng.randrange(16_384, 32_768, 2)
    return [
        ("direction", "outbound"),
        ("is_outbound", "true"),
        ("uuid", uuid),
        ("call_uuid", uuid),
        ("session_id", str(session_id)),
        ("sip_local_network_addr", SIP_IP),
        ("sip_profile_name", profile),
        ("video_media_flow", "disabled"),
        ("text_media_flow", "disabled"),
        ("channel_name", dial_string),
        ("sip_destination_url", f"sip:{address}"),
        *leg,
        ("ignore_early_media", "true"),
        ("origination_caller_id_name", cid[0]),
        ("origination_caller_id_number", cid[1]),
        ("originate_early_media", "false"),
        ("originate_endpoint", "sofia"),
        ("rtp_use_codec_string", CODEC_STRING),
        *_media_address(port),
        ("audio_media_flow", "sendrecv"),
        ("rtp_local_sdp_str", local_sdp(port, "RTP/AVP 111 126")),
        ("sip_outgoing_contact_uri", f"<sip:mod_sofia@{SIP_IP}:5080>"),
        ("sip_req_uri", address),
        ("sip_to_host", host),
        ("sip_from_host", SIP_IP),
        ("sofia_profile_name", profile),
        ("recovery_profile_name", profile),
        ("sofia_profile_url", f"sip:mod_sofia@{SIP_IP}:5080"),
    ]


def ringing_variables(dial_string: str, cid: tuple[str, str], rng: random.Random) -> Variables:
    """What a 180 adds to an agent's leg, at CHANNEL_PROGRESS."""
    address = dial_string.rpartition("/")[2]
    user, _, host = address.partition("@")
    to_tag, from_tag = f"{rng.getrandbits(64):016x}", f"{rng.getrandbits(48):012x}"
    via = f"SIP/2.0/UDP {SIP_IP}:5080;branch=z9hG4bK{rng.getrandbits(48):012x};rport=5080;received={SIP_IP}"
    return [
        ("sip_reply_host", host.partition(":")[0]),
        ("sip_network_ip", host.partition(":")[0]),
        ("sip_user_agent", "simulated softphone"),
        ("sip_allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, SUBSCRIBE, INFO, MESSAGE, REFER"),
        ("sip_recover_contact", f"<sip:{address}>"),
        ("sip_full_via", via),
        ("sip_recover_via", via),
        ("sip_from_display", cid[0]),
        ("sip_full_from", f'"{cid[0]}" <sip:{cid[1]}@{SIP_IP}>;tag={from_tag}'),
        ("sip_full_to", f"<sip:{address}>;tag={to_tag}"),
        ("sip_from_user", cid[1]),
        ("sip_from_uri", f"{cid[1]}@{SIP_IP}"),
        ("sip_from_host", SIP_IP),
        ("sip_to_user", user),
        ("sip_to_uri", address),
        ("sip_to_host", host),
        ("sip_contact_user", user),
        ("sip_contact_uri", address),
        ("sip_contact_host", host),
        ("sip_to_tag", to_tag),
        ("sip_from_tag", from_tag),
        ("sip_cseq", str(rng.randrange(10**8, 2 * 10**8))),
        ("sip_call_id", f"{rng.getrandbits(128):032x}"),
    ]


def agent_answer_variables(rng: random.Random) -> Variables:
    """What an agent's 200 adds; agents' phones are in clear, so there are no keys (call_queue_plain)."""
    port = rng.randrange(16_384, 32_768, 2)
    return [
        ("switch_r_sdp", local_sdp(port, "RTP/AVP 111 126").replace("FreeSWITCH", "-")),
        ("ep_codec_string", OFFERED_CODECS),
        ("rtp_use_codec_string", CODEC_STRING),
        ("remote_video_media_flow", "inactive"),
        ("remote_text_media_flow", "inactive"),
        ("remote_audio_media_flow", "sendrecv"),
        *_codec_variables("111"),
        *_rtp_variables("111", "126", rng.getrandbits(32)),
        ("remote_media_ip", SIP_IP),
        ("remote_media_port", str(port)),
    ]


def acknowledged(variables: Mapping[str, str], rng: random.Random) -> Variables:
    """What the caller's ACK leaves (call_queue_plain, event 40)."""
    tag = f"{rng.getrandbits(52):013x}"
    return [
        ("sip_to_tag", tag),
        ("sip_cseq", str(rng.randrange(1, 60_000))),
        ("sip_full_to", f"{variables['sip_full_to']};tag={tag}"),
    ]


def sent_bye_after_bridge(cause: str) -> Variables:
    """On the leg that we hang up because the other one ended the bridge."""
    return [
        ("sip_hangup_phrase", "OK"),
        ("last_bridge_hangup_cause", cause),
        ("last_bridge_proto_specific_hangup_cause", "sip:200"),
    ]


def refused() -> Variables:
    """On an unanswered caller's leg that we end with an error response (measured)."""
    return [("sip_hangup_disposition", "send_refuse")]


def referred(agent: str, to: str, caller_uuid: str) -> tuple[Variables, Variables]:
    """A REFER from an agent's phone: what it leaves on the caller's leg and on the agent's (measured)."""
    phone = f"{SIP_IP}:5090"
    caller = [("sip_h_Referred-By", f"<sip:{phone}>"), ("sip_refer_to", f"<sip:{to}@{SIP_IP}:5080>")]
    own = [
        ("transfer_disposition", "recv_replace"),
        ("transfer_to", f"blind:{caller_uuid}"),
        ("transfer_destination", f"blind:{to}"),
        ("transfer_fallback_extension", agent),
        ("endpoint_disposition", "BLIND_TRANSFER"),
    ]
    return caller, own


def received_bye() -> Variables:
    """The far end's BYE."""
    return [("sip_term_status", "200"), ("proto_specific_hangup_cause", "sip:200"), ("sip_term_cause", "16")]


def received_busy() -> Variables:
    """A 486 from an agent's phone (originate, USER_BUSY)."""
    return [
        ("sip_hangup_disposition", "recv_refuse"),
        ("sip_invite_failure_status", "486"),
        ("sip_invite_failure_phrase", "Busy Here"),
        ("sip_term_status", "486"),
        ("proto_specific_hangup_cause", "sip:486"),
        ("sip_term_cause", "17"),
    ]


def sent_cancel() -> Variables:
    """Our CANCEL to a phone that still rings (cc_abandon)."""
    return [
        ("sip_hangup_disposition", "send_cancel"),
        ("sip_invite_failure_status", "487"),
        ("sip_invite_failure_phrase", "CANCEL"),
    ]
