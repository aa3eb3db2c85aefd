"""docs/operations.md, docs/alerts.yml and docs/grafana name numbers that there are: asked of /metrics itself."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from fsctl.cli import COMMANDS
from tests.integration.test_operations import Pages, filled, pages

__all__ = ["filled", "pages"]

DOCS = Path(__file__).parent.parent.parent / "docs"
WORDS = {
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "bool",
    "offset",
    "group_left",
    "group_right",
}
OF_SCRAPER = {"instance", "job"}
"""Labels that Prometheus adds."""
LABELLED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
MATCHED = re.compile(r"([a-z_]+)\s*\{([^}]*)\}")


def names_of(expression: str) -> set[str]:
    """The series of an expression in PromQL: words that are no function, no label and no keyword."""
    promql_parser.parse(expression)
    bare = LABELLED.sub(" ", re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", " ", expression))
    return {word for word in re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*(?!\w*\s*\()", bare) if word not in WORDS}


def labels_of(expression: str) -> set[str]:
    """Labels that it groups by or matches."""
    grouped = {one.strip() for found in LABELLED.findall(expression) for one in found.split(",")}
    return grouped | {
        label for _, inside in MATCHED.findall(expression) for label in re.findall(r"(\w+)\s*[=!]", inside)
    }


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DOCS / "grafana" / "fsctl.json").read_text())["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


def test_what_is_no_promql_is_found() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        names_of("sum by (node (up)")


def test_names_are_told_from_functions_and_labels() -> None:
    said = 'sum by (node, le) (rate(esl_x_total{kind="a_b"}[5m])) > 0.5 * max(y) and on (node) up == 1e3'
    assert names_of(said) == {"esl_x_total", "y", "up"}
    assert labels_of(said) == {"node", "le", "kind"}


@pytest.mark.usefixtures("filled")
def test_rules_and_dashboard_ask_for_numbers_and_labels_that_there_are(pages: Pages) -> None:
    found: dict[str, set[str]] = {}
    for name, labels in pages.numbers():
        found.setdefault(name, set()).update(label for label, _ in labels)
    for where, expression in expressions():
        names = names_of(expression)
        assert names, where
        assert names <= found.keys(), (where, names - found.keys())
        known = OF_SCRAPER.union(*(found[name] for name in names))
        assert labels_of(expression) <= known, (where, labels_of(expression) - known)
        for name, inside in MATCHED.findall(expression):
            for label, value in re.findall(r'(\w+)="([^"]*)"', inside):
                values = {dict(labels).get(label) for one, labels in pages.numbers() if one == name}
                assert value in values, (where, value)


@pytest.mark.usefixtures("filled")
def test_each_number_is_described_and_nothing_else(pages: Pages) -> None:
    described = set(re.findall(r"^\| `([a-z_]+)", (DOCS / "operations.md").read_text(), re.MULTILINE))
    told = {
        re.sub("_(bucket|count|sum)$", "", name) if name.startswith(("queue_wait_s", "wa_leg_mos")) else name
        for name, _ in pages.numbers()
    }
    assert {name for name in told if not name.endswith("_created")} == described


def test_rules_say_what_is_wrong_and_how_bad_it_is() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert re.fullmatch("[0-9]+[smh]", rule.get("for", "1m")), rule
        assert rule["labels"]["severity"] in ("page", "warn"), rule
        assert rule["annotations"]["summary"], rule


def test_commands_that_are_advised_are_there() -> None:
    text = (DOCS / "alerts.yml").read_text() + (DOCS / "operations.md").read_text()
    advised = set(re.findall(r"`fsctl ([a-z-]+)", text))
    assert len(advised) > 5
    assert advised <= set(COMMANDS), advised - set(COMMANDS)


def test_panels_stand_side_by_side() -> None:
    places: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        places |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())
