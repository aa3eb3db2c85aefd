"""The attribution report: three forms, none of them a weapon."""

import csv
import io
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from fsctl.console import report
from fsctl.store.attribution import By, Line, total

LINES = [
    Line(source="ad", campaign="spring", source_id="120", headline="Call us", chats=3, calls=2, answered=1, sales=2,
         values={"EUR": Decimal("120.5000"), "USD": Decimal("7")}),
    Line(source="link", trusted=False, campaign="=cmd()", calls=1, values={}),
    Line(source="direct", calls=4, answered=4, sales=1, values={"EUR": Decimal("0.1234")}),
]  # fmt: skip


def test_the_table_adds_up() -> None:
    lines = report.as_text(LINES, "campaign").split("\n")
    assert lines[0].split() == ["source", "campaign", "chats", "calls", "answered", "sales", "value"]
    assert lines[1].split() == ["ad", "spring", "3", "2", "1", "2", "120.50", "EUR,", "7.00", "USD"]
    assert lines[2].startswith("link (unsigned)")
    assert lines[-1].split() == ["total", "3", "7", "5", "3", "120.6234", "EUR,", "7.00", "USD"]


def test_a_table_of_nothing_says_so() -> None:
    assert report.as_text([], "source") == "nothing in this time"


def test_csv_has_a_column_for_each_currency() -> None:
    rows = list(csv.DictReader(io.StringIO(report.as_csv(LINES, "ad"))))
    assert rows[0] == {
        "source": "ad", "trusted": "yes", "campaign": "spring", "source_id": "120", "headline": "Call us",
        "chats": "3", "calls": "2", "answered": "1", "sales": "2", "value_EUR": "120.50", "value_USD": "7.00",
    }  # fmt: skip
    assert rows[1]["trusted"] == "no"
    assert rows[1]["campaign"] == "'=cmd()"
    assert rows[1]["value_EUR"] == ""


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x")',
        "+1",
        "-1+2",
        "@SUM(A1)",
        "|calc",
        "%0A",
        "  =1",
        "\u00a0=1",
        "＝1",
        "\t=1",
        "\r=1",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    (row,) = csv.reader(io.StringIO(report.as_csv([Line(source="link", campaign=text, values={})], "campaign")[
        len("source,trusted,campaign,chats,calls,answered,sales\n") :
    ]))  # fmt: skip
    assert row[2][0] in "'\\"


@pytest.mark.parametrize("render", [report.as_text, report.as_csv])
def test_no_escape_reaches_a_terminal(render: Callable[[Sequence[Line], By], str]) -> None:
    shown = render(
        [Line(source="ad", campaign="a\x1b[2Jb\u202e\nc", source_id="\x9b", headline="\x07", values={})], "ad"
    )
    assert not any(character in shown for character in "\x1b\x9b\x07\u202e")
    assert shown.count("\n") == (2 if render is report.as_text else 1)


def test_json_has_exact_amounts_and_the_whole() -> None:
    values = report.as_values(LINES, "source")
    assert values["lines"][0]["values"] == {"EUR": "120.50", "USD": "7.00"}
    assert values["total"]["sales"] == 3
    assert values["total"]["values"]["EUR"] == "120.6234"
    assert "campaign" not in values["lines"][0]


def test_the_whole_is_the_sum_of_the_lines() -> None:
    assert total([]).values == {}
    assert total(LINES).calls == 7
