"""Keys that a caller presses: they wait on the channel until an application reads them.

The event DTMF is fired when a key is read, not when it is pressed (switch_channel.c switch_channel_dequeue_dtmf;
measured). ``playback`` reads and forgets every key; ``sleep`` ends at one and leaves it.
"""

from fsctl.sim.channel import Channel

#: What a key of 60 ms measures, in samples of 48 kHz (measured).
DURATION = "2880"


def take(channel: Channel) -> str:
    """The key pressed first of those not yet read."""
    digit = channel.digits.popleft()
    heard = [("DTMF-Digit", digit), ("DTMF-Duration", DURATION), ("DTMF-Source", "RTP")]
    channel.fire("DTMF", after=heard, full=False)
    return digit
