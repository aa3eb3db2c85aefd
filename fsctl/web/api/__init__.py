"""``/v1``: threads, calls, transcripts, recordings and outcomes for programs, by HTTP and JSON.

Knows: what may be asked, by whom (``table.OPERATIONS``), and the form of the answers (``answers``). Refuses to
know: SQL, FreeSWITCH, how a request is read from a socket (``web/server.py``). Called by ``fsctl serve``.
To add an operation: a function in the module of its noun, a line in ``table.OPERATIONS``, a row in ``docs/crm.md``.
From that line it is routed and checked (``operation``, ``routes``), and described (``document``).
"""
