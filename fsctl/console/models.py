"""``fsctl models``: which speech models are here, are as they should be, or are fetched."""

import sys
from pathlib import Path

from fsctl.terminal import Printer
from fsctl.transcribe import models


def main(action: str, name: str, folder: Path) -> int:
    """Run one; returns the exit code.

    Args:
        action: ``list``, ``verify`` or ``fetch``.
        folder: where models are kept.

    Raises:
        ModelError: it is missing, damaged, or not to be had.
    """
    if action == "list":
        for known, source in models.SOURCES.items():
            here = "here" if (folder / known).is_dir() else "not here"
            print(f"{known:10} {here:9} {source.languages}")
    elif action == "verify":
        print(f"{models.locate(name, folder)}: as it should be")
    else:
        printer = Printer(sys.stderr)
        fetched = models.fetch(name, folder, printer.bar)
        printer.end_bar()
        print(fetched)
    return 0
