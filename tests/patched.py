"""Loaded by pytest before any other plugin (``-p`` in setup.cfg): gevent must patch first."""

from gevent import monkey

monkey.patch_all()
