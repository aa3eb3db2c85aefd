"""The SDP of a call as Meta's gateway or a trunk offers it and FreeSWITCH answers it, with SDES keys.

The keys are random and in clear, as in the real events: what must not leak can be tested. Called by sip.py.
"""

import base64
import random

IP = "127.0.0.1"
SUITE = "AES_CM_128_HMAC_SHA1_80"
FMTP = "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1"


def crypto_line(rng: random.Random) -> str:
    """One SDES attribute value: tag, suite and a 30-byte master key with salt."""
    return f"1 {SUITE} inline:{base64.b64encode(rng.randbytes(30)).decode()}"


def offer_sdp(media_ip: str, crypto: str, rng: random.Random) -> str:
    """Meta's SDES offer ("Configure SIP"); without ``crypto`` it is in clear, as ordinary trunks offer."""
    ssrc = rng.getrandbits(32)
    lines = [
        "v=0",
        f"o=- {rng.getrandbits(40)} 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE audio",
        f"m=audio 3480 RTP/{'SAVP' if crypto else 'AVP'} 111 126",
        f"c=IN IP4 {media_ip}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        *([f"a=crypto:{crypto}"] if crypto else []),
        "a=mid:audio",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        f"a=fmtp:111 {FMTP}",
        "a=rtpmap:126 telephone-event/8000",
        "a=maxptime:20",
        "a=ptime:20",
        f"a=ssrc:{ssrc} cname:wa{ssrc}",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def local_sdp(port: int, media: str, crypto: str = "") -> str:
    """The SDP that FreeSWITCH sends (rtp_local_sdp_str)."""
    lines = [
        "v=0",
        f"o=FreeSWITCH {1795315533 + port} {1795315534 + port} IN IP4 {IP}",
        "s=FreeSWITCH",
        f"c=IN IP4 {IP}",
        "t=0 0",
        f"m=audio {port} {media}",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1",
        "a=rtpmap:126 telephone-event/8000",
        "a=fmtp:126 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    lines += [f"a=crypto:{crypto}"] if crypto else []
    return "".join(f"{line}\r\n" for line in lines)
