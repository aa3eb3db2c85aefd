"""FreeSWITCH's Event Socket: the one gate between its vocabulary and ours.

Knows: the wire format (``messages``), FreeSWITCH's header names (``decode``), the text of its commands
(``encode``), one connection (``connection``), how to stay connected (``link``) and what to read again after a gap
(``resync``, ``ledger``), and the order of facts within a call (``lanes``).
Refuses to know: what a call means, Postgres, audio.
Called by: ``fsctl.controller`` and ``fsctl.app``. Everything it hands out is an event or a reply of ours.
"""
