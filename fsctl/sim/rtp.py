"""What FreeSWITCH tells of a leg's RTP: variables at the hang-up, or when they are asked for.

Names and order are those of call_queue_plain (switch_core_media.c set_stats). Inbound is measured, so a plan
says it; outbound is what we send.
"""

from fsctl.sim.plan import Quality

PACKET_US = 20_000
#: Bytes of an Opus packet, about (call_queue_plain).
BYTES_IN, BYTES_OUT = 83, 92


def statistics(duration_us: int, quality: Quality) -> dict[str, str]:
    """The variables of a leg that has been answered for so long."""
    sent = duration_us // PACKET_US
    came = max(sent - quality.lost, 0)
    inward: dict[str, object] = {
        "raw_bytes": came * BYTES_IN,
        "media_bytes": came * BYTES_IN,
        "packet_count": came,
        "media_packet_count": came,
        "skip_packet_count": quality.skipped,
        "jitter_packet_count": 0,
        "dtmf_packet_count": 0,
        "cng_packet_count": 0,
        "flush_packet_count": 0,
        "largest_jb_size": 0,
        "jitter_min_variance": f"{quality.jitter_min_variance:.2f}",
        "jitter_max_variance": f"{quality.jitter_max_variance:.2f}",
        "jitter_loss_rate": f"{quality.loss_rate:.2f}",
        "jitter_burst_rate": f"{quality.burst_rate:.2f}",
        "mean_interval": f"{quality.mean_interval:.2f}",
        "flaw_total": quality.flaws,
        "quality_percentage": f"{quality.percentage:.2f}",
        "mos": f"{quality.mos:.2f}",
    }
    outward = {
        "raw_bytes": sent * BYTES_OUT,
        "media_bytes": sent * BYTES_OUT,
        "packet_count": sent,
        "media_packet_count": sent,
        "skip_packet_count": 0,
        "dtmf_packet_count": 0,
        "cng_packet_count": 0,
    }
    pairs = {f"rtp_audio_in_{name}": str(value) for name, value in inward.items()}
    pairs |= {f"rtp_audio_out_{name}": str(value) for name, value in outward.items()}
    return pairs | {"rtp_audio_rtcp_packet_count": "0", "rtp_audio_rtcp_octet_count": "0"}
