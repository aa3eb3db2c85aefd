"""Recordings that grow become utterances; recordings that ended are proven and archived.

Knows: the WAV files that FreeSWITCH writes (``wav``, ``header``) or that we write from its websocket frames
(``websocket``, ``admission``, ``connection``, ``writer``), where speech begins and ends (``segmenter``), whether it
is a voice (``voices``, ``tones``), which leg may be read when (``fork``), from where to read on (``pipeline``),
which recordings there are (``spool``); what a recording should be (``proof``), how it looks (``picture``), and
where it is kept (``recorder``, ``archive``, ``codec``, ``disk``).
Refuses to know: text, FreeSWITCH's events, what a call means. It asks Postgres only about recordings of its node,
about their calls' times, and when an agent was bridged.
Called by: ``fsctl media``, one process beside each FreeSWITCH, its child ``fsctl archive``, and ``fsctl
recording``. The audio is on disk before it is read here; killed at any time, these processes read it again, cut
the same utterances and archive the same bytes.
"""
