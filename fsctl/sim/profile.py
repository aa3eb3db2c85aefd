"""FreeSWITCH's caller profile: who calls whom and when what happened; Caller-* and Other-Leg-* headers."""

from dataclasses import dataclass, field, replace

from fsctl.eventsocket.event import Headers


@dataclass
class Times:
    """Microseconds since the epoch; 0: has not happened."""

    profile_created: int = 0
    created: int = 0
    answered: int = 0
    progress: int = 0
    progress_media: int = 0
    hangup: int = 0
    bridged: int = 0


@dataclass
class Profile:
    """FreeSWITCH's caller profile. A transfer or a bridge makes a new one (``index``)."""

    direction: str
    cid_name: str
    cid_number: str
    destination: str
    uuid: str
    source: str
    context: str
    channel_name: str
    username: str = ""
    dialplan: str = ""
    callee_name: str = ""
    callee_number: str = ""
    network_addr: str = ""
    transfer_source: str = ""
    rdnis: str = ""
    index: int = 1
    times: Times = field(default_factory=Times)

    def headers(self, prefix: str, *, own: bool, logical: str = "") -> Headers:
        """``Caller-*`` (own) or ``Other-Leg-*``; what is unset is left out, times and flags never."""
        times = self.times
        named = [
            ("Direction", self.direction),
            ("Logical-Direction", logical or self.direction),
            ("Username", self.username),
            ("Dialplan", self.dialplan),
            ("Caller-ID-Name", self.cid_name),
            ("Caller-ID-Number", self.cid_number),
            ("Orig-Caller-ID-Name", self.cid_name),
            ("Orig-Caller-ID-Number", self.cid_number),
            ("Callee-ID-Name", self.callee_name),
            ("Callee-ID-Number", self.callee_number),
            ("Network-Addr", self.network_addr),
            ("ANI", self.cid_number),
            ("Destination-Number", self.destination),
            ("Unique-ID", self.uuid),
            ("Source", self.source),
            ("Transfer-Source", self.transfer_source),
            ("Context", self.context),
            ("RDNIS", self.rdnis),
            ("Channel-Name", self.channel_name),
            ("Profile-Index", str(self.index) if own else ""),
        ]
        always = [
            ("Profile-Created-Time", times.profile_created),
            ("Channel-Created-Time", times.created),
            ("Channel-Answered-Time", times.answered),
            ("Channel-Progress-Time", times.progress),
            ("Channel-Progress-Media-Time", times.progress_media),
            ("Channel-Hangup-Time", times.hangup),
            ("Channel-Transfer-Time", 0),
            ("Channel-Resurrect-Time", 0),
            ("Channel-Bridged-Time", times.bridged),
            ("Channel-Last-Hold", 0),
            ("Channel-Hold-Accum", 0),
            ("Screen-Bit", "true"),
            ("Privacy-Hide-Name", "false"),
            ("Privacy-Hide-Number", "false"),
        ]
        headers = [(prefix + name, value) for name, value in named if value]
        headers += [(prefix + name, str(value)) for name, value in always]
        return headers

    def snapshot(self, *, with_times: bool) -> "Profile":
        """A copy for the other leg; the originator's times are all 0 there (call_queue_plain, event 38)."""
        return replace(self, transfer_source="", times=replace(self.times) if with_times else Times())
