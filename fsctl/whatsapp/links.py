"""Links that begin a call, and their QR codes.

``https://wa.me/call/NUMBER?biz_payload=...`` needs no template and no open window; the payload comes back with the
call (Meta, "Call button messages and deep links"). Refuses to know who makes one and where it is kept.
Called by: ``fsctl links``.
"""

from pathlib import Path
from urllib.parse import quote

import segno

from fsctl.errors import BadInput

ADDRESS = "https://wa.me/call/"
KINDS = (".svg", ".png")
MODULE_PX = 8
"""Pixels a module in a PNG: a code of 100 modules is then 7 cm wide at 300 dots an inch."""


def address(number: str, payload: str) -> str:
    """The link. Args: number: digits of the business number; payload: signed, see ``call.payload.sign``."""
    return f"{ADDRESS}{number}?biz_payload={quote(payload, safe='')}"


def require_image(path: Path) -> None:
    """Raises BadInput when a QR code cannot be written in the format that the name asks for."""
    if path.suffix.lower() not in KINDS:
        raise BadInput(f"{path}: expected a name that ends in {' or '.join(KINDS)}")


def write_qr(url: str, path: Path) -> None:
    """Write the QR code of a link as SVG or PNG, after the name; what is there is replaced.

    Raises:
        BadInput: the name asks for another format.
        OSError: the file cannot be written.
    """
    require_image(path)
    # Level M: a fifth of the modules may be lost to a fold or a stain, and the code is still as coarse as can be.
    code = segno.make(url, error="m", micro=False, boost_error=False)
    code.save(str(path), scale=MODULE_PX, border=4)
