"""fsctl: the contact centre that answers WhatsApp calls on FreeSWITCH."""

__version__ = "0.1.0"
