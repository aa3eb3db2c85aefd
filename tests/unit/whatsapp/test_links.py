"""Call links and their QR codes."""

import struct
import zlib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import segno
from defusedxml import ElementTree

from fsctl.errors import BadInput
from fsctl.whatsapp import links


def test_a_link_is_metas_with_our_payload() -> None:
    url = links.address("15550100900", "f1.a_b-c.d&e=?")
    assert url.startswith("https://wa.me/call/15550100900?")
    assert parse_qs(urlsplit(url).query) == {"biz_payload": ["f1.a_b-c.d&e=?"]}


def modules_of(png: bytes) -> list[list[bool]]:
    """The black modules of a greyscale PNG of one bit, as segno writes it."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, data, width, height, depth = 8, b"", 0, 0, 0
    while at < len(png):
        (size,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height, depth = struct.unpack(">IIB", body[:9])
        data += body if kind == b"IDAT" else b""
        at += 12 + size
    assert depth == 1
    size, px = 1 + (width + 7) // 8, links.MODULE_PX
    rows, above, raw = [], bytes(size - 1), zlib.decompress(data)
    for y in range(height):
        kind_of_row, row = raw[y * size], raw[y * size + 1 : (y + 1) * size]
        assert kind_of_row in (0, 2)
        above = row if kind_of_row == 0 else bytes((one + two) % 256 for one, two in zip(row, above))
        rows.append(above)
    return [
        [not row[x // 8] >> (7 - x % 8) & 1 for x in range(px // 2, width, px)] for row in rows[px // 2 :: px]
    ]


def test_the_png_holds_the_link(tmp_path: Path) -> None:
    url, file = links.address("15550100900", "f1." + "a" * 300), tmp_path / "code.png"
    links.write_qr(url, file)
    wanted = segno.make(url, error="m", micro=False, boost_error=False).matrix_iter(border=4)
    assert modules_of(file.read_bytes()) == [[bool(module) for module in row] for row in wanted]


def test_the_svg_is_one_with_a_path(tmp_path: Path) -> None:
    file = tmp_path / "code.SVG"
    links.write_qr(links.address("15550100900", "f1.x.y"), file)
    root = ElementTree.parse(file).getroot()
    assert root is not None
    assert root.tag.endswith("svg")
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 1


@pytest.mark.parametrize("name", ["code.jpg", "code", "code.svgz", ".png"])
def test_another_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"ends in \.svg or \.png"):
        links.write_qr("x", tmp_path / name)
    assert list(tmp_path.iterdir()) == []
