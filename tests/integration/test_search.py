"""Search in what was said: by language, final text in place of live, never what was suppressed."""

import random

import pytest

from fsctl.store.db import Database, queries
from fsctl.store.search import BEGIN, END, Search
from tests.integration.full_house import SUPPRESSED, fill, run


def add(dsn: str, text: str, language: str | None, start_ms: int = 5000) -> int:
    """Another stretch of call c-1."""
    (row,) = run(
        dsn,
        "with u as (insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate, state) "
        "select 1, 'c-1', 'caller', max(end_sample) + 1, max(end_sample) + 9, 16000, 'done' from utterance "
        "returning id) "
        "insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, language, model, pass) "
        "select id, 'c-1', 'caller', %s, %s, %s, %s, 'whisper-base', 'final' from u returning id",
        start_ms, start_ms + 500, text, language,
    )  # fmt: skip
    return int(row["id"])


def texts(database: Database, q: str, language: str | None = None) -> list[str]:
    return [row["text"] for row in Search(database).transcripts(q, language).rows]


def shown(highlight: str) -> str:
    return highlight.replace(BEGIN, "[").replace(END, "]")


def test_what_stands_is_found_with_its_place(database: Database) -> None:
    fill(database)
    (row,) = Search(database).transcripts("refunds").rows
    assert (row["call_uuid"], row["thread_id"], row["leg"], row["start_ms"]) == ("c-1", 1, "caller", 1000)
    assert shown(row["highlight"]) == "I want a [refund]."
    assert row["rank"] > 0
    (second,) = Search(database).transcripts("goodbye").rows
    assert second["start_ms"] == 181000


def test_live_text_is_found_until_it_is_superseded_and_what_is_suppressed_never(
    database: Database, dsn: str
) -> None:
    fill(database)
    assert texts(database, "reef") == []
    run(dsn, "update segment set superseded_by = null where id = 1")
    assert texts(database, "reef") == ["I want a reef and."]
    assert texts(database, "watching") == []
    run(dsn, "update segment set suppressed_by = null where id = 4")
    assert texts(database, "watching") == [SUPPRESSED]


@pytest.mark.parametrize(
    ("language", "said", "asked", "highlight"),
    [
        ("en", "They charged my cards twice.", "charge card", "They [charged] my [cards] twice."),
        ("es", "Los pedidos llegaron tarde.", "pedido llegar", "Los [pedidos] [llegaron] tarde."),
        ("es", "Último aviso: el teléfono no funciona.", "último telefono", "[Último] aviso: el [teléfono] no funciona."),  # noqa: E501
        ("pt", "Água e reclamações demais.", "ÁGUA reclamação", "[Água] e [reclamações] demais."),
        ("hi", "मुझे किताबें चाहिए।", "किताब", "मुझे [किताबें] चाहिए।"),
        ("de", "Der Vertrag läuft aus.", "vertrag", "Der [Vertrag] läuft aus."),
        (None, "Zxq 4711", "4711", "Zxq [4711]"),
    ],
)  # fmt: skip
def test_each_language_has_its_own_rules(
    database: Database, dsn: str, language: str | None, said: str, asked: str, highlight: str
) -> None:
    fill(database)
    add(dsn, said, language)
    (row,) = Search(database).transcripts(asked).rows
    assert shown(row["highlight"]) == highlight
    assert texts(database, asked, language) == [said]
    assert texts(database, asked, "fr") == []


def test_a_word_left_out_is_left_out_by_the_rules_of_the_text(database: Database, dsn: str) -> None:
    """The stem of a word is another one in each language: none may let in what another keeps out."""
    fill(database)
    add(dsn, "Which visa card was it?", "en")
    assert texts(database, "card -visa") == ["Which card did you use?"]
    assert texts(database, "visa or refund") == ["Which visa card was it?", "I want a refund."]
    assert texts(database, '"visa card"') == ["Which visa card was it?"]
    assert texts(database, '"card visa"') == []


@pytest.mark.parametrize(
    "q",
    [
        "",
        " ",
        "the",
        "& | ! ( )",
        "'; drop table segment; --",
        "\x00",
        "\ud800",
        "-" * 9999,
        '"',
        "%s %(q)s $1",
    ],
)
def test_any_question_is_answered(database: Database, q: str) -> None:
    fill(database)
    Search(database).transcripts(q)
    assert texts(database, "refund") == ["I want a refund."]


def test_any_string_of_signs_is_a_question(database: Database) -> None:
    """What Postgres makes of a search box must not be its refusal."""
    dice = random.Random(4)
    signs = [
        "-",
        '"',
        " ",
        " or ",
        "a",
        "b-c",
        "!",
        "(",
        ")",
        "&",
        "|",
        ":",
        "*",
        "'",
        "\\",
        "<->",
        "é",
        "\u00a0",
    ]
    for _ in range(300):
        Search(database).transcripts("".join(dice.choices(signs, k=dice.randint(1, 60))))


def test_marks_in_the_text_are_not_ours(database: Database, dsn: str) -> None:
    fill(database)
    add(dsn, f"{END}Give me the {BEGIN}<b>parcel</b>{END} & <mark>go</mark>", "en")
    (row,) = Search(database).transcripts("parcel").rows
    assert shown(row["highlight"]) == " Give me the  <b>[parcel]</b>  & <mark>go</mark>"


def test_pages_go_from_new_to_old(database: Database, dsn: str) -> None:
    fill(database)
    ids = [add(dsn, f"parcel number {n}", "en", n) for n in range(20)]
    found: list[int] = []
    search = Search(database)
    page = search.transcripts("parcel", limit=6)
    while True:
        found += [row["segment_id"] for row in page.rows]
        if not page.has_more:
            break
        page = search.transcripts("parcel", limit=6, before=page.next)
    assert found == ids[::-1]
    assert search.transcripts("parcel", before=0).rows == []


def test_the_index_is_used_and_holds_only_what_stands(database: Database, dsn: str) -> None:
    fill(database)
    (row,) = run(dsn, "select pg_get_indexdef('segment_lexemes'::regclass) as made")
    assert "superseded_by IS NULL" in row["made"]
    assert "suppressed_by IS NULL" in row["made"]
    run(
        dsn,
        "insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate, state) "
        "select 2, 'c-1', 'caller', n * 16000, n * 16000 + 8000, 16000, 'done' from generate_series(10, 5000) n; "
        "insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, language, model, pass) "
        "select id, 'c-1', 'caller', 0, 1, 'number ' || id, 'en', 'm', 'final' from utterance where id > 6; "
        "analyze segment",
    )
    with database.transaction("explaining") as transaction:
        sql = queries()["search.transcripts"]
        rows = transaction._connection.execute(
            f"explain {sql}".encode(),
            {"q": "refund", "language": None, "before": None, "near": 9, "limit": 51},
        ).fetchall()
    assert "segment_lexemes" in repr(rows)
