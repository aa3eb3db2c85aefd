"""Tables: columns stand straight, whatever stands in them."""

from fsctl.console import table


def test_columns_stand_straight_and_numbers_on_the_right() -> None:
    text = table.render(("name", "n"), [("Ann", 5), ("José", 12345), (None, None)], right=("n",))
    assert text == "name      n\nAnn       5\nJosé  12345\n"


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    text = table.render(("a", "b"), [("王小明", "x"), ("e\u0301", "y")])
    assert text.split("\n")[1:] == ["王小明  x", "e\u0301       y"]


def test_a_cell_is_cut_and_moves_nothing() -> None:
    (_, line) = table.render(("a",), [("\x1b[2J" + "x" * 500,)]).split("\n")
    assert line.startswith("\\x1b[2Jx")
    assert len(line) == table.MAX_CELL
    assert line.endswith("…")


def test_durations_are_read_at_a_glance() -> None:
    said = [table.duration(seconds) for seconds in (None, -1, 0, 65.4, 3661)]
    assert said == ["-", "0:00", "0:00", "1:05", "1:01:01"]


def test_what_is_not_known_is_left_out() -> None:
    assert table.facts([("a", None), ("b", ""), ("c", 0), ("d", "x\n")]) == [
        "  c            0", "  d            x\\x0a",
    ]  # fmt: skip
