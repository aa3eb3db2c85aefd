"""What those who run the house look at.

Knows: how states are shown to people and programs. Refuses to know: SQL, FreeSWITCH, how a state came about.
Called by: ``fsctl link`` and its like. ``commands`` are those of ``fsctl console`` (``shell``) and of ESL clients.
"""
