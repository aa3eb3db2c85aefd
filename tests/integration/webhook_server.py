"""The receiver as a process of its own, to be killed.

::

    python -m tests.integration.webhook_server FOLDER     # prints its port, and serves until it is killed
"""

import sys
from pathlib import Path

from gevent import monkey

monkey.patch_all()

import gevent

from fsctl.config_chat import WhatsApp
from fsctl.web.server import Server
from fsctl.whatsapp.journal import Journal
from fsctl.whatsapp.receiver import Receiver

SECRET = "the-secret-of-the-tests"
SETTINGS = WhatsApp(app_secret=SECRET, verify_token="the-word")


def main() -> None:
    """Serve."""
    server = Server("127.0.0.1:0", Receiver(SETTINGS, Journal(Path(sys.argv[1]))).routes())
    server.start()
    print(server.address[1], flush=True)
    gevent.sleep(600)


if __name__ == "__main__":
    main()
