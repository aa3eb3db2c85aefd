"""The entry point. Lets gevent patch the process before anything else is imported.

psycopg chooses once, at its import, how it waits; threading and subprocess hand out locks of the kind that
they find. The transcriber and the recorder are left alone: models and object stores have threads of their own.
"""

import os
import sys

PLAIN = {"transcribe", "archive"}
"""Subcommands that run without gevent."""
OTHERS = {"console", "--help"}
"""After these the same words are something else."""


def main() -> None:
    """Patch, then hand over to the command line; exits with its code."""
    wanted = next((argument for argument in sys.argv[1:] if argument in PLAIN | OTHERS), "")
    if wanted in PLAIN:
        # One thread for numpy's part of the features: it would spin on the cores that decode.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    else:
        from gevent import monkey

        monkey.patch_all()
    from fsctl import cli

    sys.exit(cli.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
