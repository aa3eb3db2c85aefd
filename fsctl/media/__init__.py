"""Recordings that grow become utterances.

Knows: the WAV files that FreeSWITCH writes (``wav``), where speech begins and ends (``segmenter``), which leg
may be read when (``fork``), and which recordings there are (``spool``).
Refuses to know: text, FreeSWITCH's events, what a call means. It asks Postgres only which recordings of its
node are open and when an agent was bridged.
Called by: ``fsctl media``, one process beside each FreeSWITCH. The audio is on disk before it is read here;
killed at any time, this process reads it again and cuts the same utterances.
"""
