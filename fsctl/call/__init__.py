"""The pure core: what happened to a call becomes what to do about it.

Knows: events, commands, the phases of a call, where to route it, whose fault its end was.
Refuses to know: sockets, SQL, files, the clock. Time is a field of the event; answers to questions
(who is this caller?) come back as events. Imports only pure parts of the standard library.
Called by: ``fsctl.controller`` with every event of the Event Socket, and by the tests with histories.
"""
