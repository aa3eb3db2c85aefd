"""What concerns Meta: its networks now; webhooks, sending and settings are to come.

Knows Meta's words. Refuses to know FreeSWITCH's events and the database's tables. Called by the command line.
"""
