"""How FreeSWITCH splits a line into words (switch_utils.c switch_separate_string)."""

import shlex


def split(text: str) -> list[str]:
    """Blanks separate, single quotes join; a quote without its partner is an ordinary character."""
    if "'" not in text:
        return text.split()
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.quotes, lexer.escape, lexer.commenters = True, "'", "", ""
    try:
        return list(lexer)
    except ValueError:
        return text.split()
