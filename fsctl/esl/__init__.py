"""FreeSWITCH's Event Socket: the one gate between its vocabulary and ours.

Knows: the wire format, FreeSWITCH's header names (``decode``), the text of its commands (``encode``), how to
stay connected and what to re-read after a gap (``link``).
Refuses to know: what a call means, Postgres, audio.
Called by: ``fsctl.controller`` and ``fsctl.app``. Everything it hands out is an event or a reply of ours.
"""
