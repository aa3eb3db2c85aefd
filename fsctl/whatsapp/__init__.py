"""Meta: what it tells us, what we tell it, and its settings of our numbers.

Knows: Meta's JSON and its words (webhooks, messages, errors, settings, conversions), signatures, limits. Refuses to
know: FreeSWITCH's events, SQL, HTML. Called by: ``fsctl serve`` (``app_chat``), commands in ``fsctl.console``.
"""
