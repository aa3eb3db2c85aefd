"""Timestamp tokens become pieces with times."""

from fsctl.transcribe.timestamps import Piece, pieces

BEGIN = 1000


def at(seconds: float) -> int:
    return BEGIN + round(seconds / 0.02)


def test_text_without_timestamps_is_one_piece_of_all_the_time() -> None:
    assert pieces([1, 2], BEGIN, 3.5) == ([Piece(0.0, 3.5, (1, 2))], 3.5)


def test_each_pair_of_timestamps_holds_a_piece() -> None:
    found = pieces([at(0), 1, at(2), at(2.4), 2, 3, at(5)], BEGIN, 6.0)
    assert found == ([Piece(0.0, 2.0, (1,)), Piece(2.4, 5.0, (2, 3))], 6.0)


def test_two_timestamps_at_the_end_say_that_there_is_more() -> None:
    found, resume_s = pieces([at(0), 1, at(2), at(2)], BEGIN, 6.0)
    assert (found, resume_s) == ([Piece(0.0, 2.0, (1,))], 2.0)


def test_a_last_piece_that_was_cut_off_is_left_to_the_next_decoding() -> None:
    found, resume_s = pieces([at(0), 1, at(2), at(2), 2, 3], BEGIN, 6.0)
    assert (found, resume_s) == ([Piece(0.0, 2.0, (1,))], 2.0)


def test_a_decoding_that_got_nowhere_is_not_repeated_for_ever() -> None:
    found, resume_s = pieces([at(0), 1, at(0.1), at(0.1), 2], BEGIN, 6.0)
    assert resume_s == 6.0
    assert [piece.tokens for piece in found] == [(1,), (2,)]


def test_no_time_is_after_the_end() -> None:
    assert pieces([at(0), 1, at(29.98)], BEGIN, 4.0)[0] == [Piece(0.0, 4.0, (1,))]


def test_what_begins_after_the_end_was_not_said() -> None:
    found, resume_s = pieces([at(0), 1, at(3.9), at(4.2), 2, 3, at(5)], BEGIN, 4.0)
    assert (found, resume_s) == ([Piece(0.0, 3.9, (1,))], 4.0)


def test_nothing_said_is_no_piece() -> None:
    assert pieces([], BEGIN, 4.0) == ([], 4.0)
    assert pieces([at(0), at(0)], BEGIN, 4.0) == ([], 4.0)
