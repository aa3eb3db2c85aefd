"""What is served by HTTP: Meta's webhooks, pages, and the API for programs (``web.api``).

Knows HTTP: how large a request may be, how slow its sender, how an error is told. Refuses to know what a route
means, Meta's words, FreeSWITCH and SQL. Called by ``fsctl serve``, which hands it routes of others.
"""
