"""Utterances become segments of text.

Knows: speech models (``engine``, ``whisper``, ``models``), what of their output may not be text (``guard``),
and how segments are read as turns (``turns``).
Refuses to know: FreeSWITCH, gevent, where audio comes from. It claims utterances from Postgres and needs
nothing else, so it runs on any machine, any number of times.
Called by: ``fsctl transcribe``; a process killed at any time loses its lease and another decodes again.
"""
