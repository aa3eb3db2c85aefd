"""The server's side of the Event Socket, as pure rules: commands out of bytes, events into bytes, who gets which.

Knows what mod_event_socket promises its clients; refuses to know sockets, FreeSWITCH's applications and the rest of
fsctl. Two servers speak it: the simulated switch (``fsctl.sim``) and our console (``fsctl.console``). The contract
tests, which hold the simulated switch to the real one, therefore hold these rules to it too.
"""
