"""Postgres: the one place with SQL, and the truth about contacts, threads, calls and text.

Knows: the schema (``migrations``), named queries (``queries``, one file a noun), how to reach a server or
start the embedded one, and how our dataclasses become rows and come back.
Refuses to know: FreeSWITCH, audio beyond bytes, what a rule of the call means.
Called by: every process. LISTEN is only a wake-up; a reader's cursor is the truth.
"""
