"""How fast are pages and search of the REST API in a house that is full?

A thread of 10,000 items, a million messages, a hundred thousand calls with ten stretches of speech each, in an
embedded Postgres. The server (the real routes, in a process of its own) is asked over HTTP; beside it, in turns,
the same named query is run in plain SQL, so that what HTTP and JSON cost is seen, too.

* items: pages of 50 items of the long thread: the first, one in the middle, the last.
* changes: pages of 50 items of all threads, from any number on.
* search: a word said once, one said seldom, one that everybody says, two words, one in Spanish text only, one that
  was said often long ago and never since.

Rows are written past the triggers, with the numbers that the sequencer would give: that takes a minute or two.

    python benchmarks/api.py [--requests 200] [--quick] [--json]
"""

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

MESSAGES, CALLS, SPOKEN = 1_000_000, 100_000, 10
"""The last: stretches of speech in a call."""
LONG_MESSAGES, LONG_CALLS = 9_000, 1_000
"""Of the long thread."""
CONTACTS = 20_000
SENTENCES = 20_000
PAGE = 50
GOAL_PAGE_MS, GOAL_SEARCH_MS = 20.0, 100.0
WARM_UP = 10
"""Requests of each kind that are not counted."""

WORDS = {
    "en": """order refund card parcel invoice address delivery account number payment please customer yesterday
        problem contract broken battery wrong charged twice cancel confirm waiting support email""",
    "es": """pedido reembolso tarjeta paquete factura dirección entrega cuenta número pago cliente ayer problema
        contrato roto batería equivocado cobrado cancelar confirmar esperando ayuda correo llegó gracias""",
    "pt": """pedido reembolso cartão pacote fatura endereço entrega conta número pagamento cliente ontem problema
        contrato quebrado bateria errado cobrado cancelar confirmar esperando ajuda correio chegou""",
    "hi": "ऑर्डर कार्ड पैसा वापस पता खाता भुगतान ग्राहक कल समस्या टूटा गलत रद्द मदद धन्यवाद",
}
LANGUAGES = {language: words.split() for language, words in WORDS.items()}
SHARES = {"en": 0.6, "es": 0.2, "pt": 0.1, "hi": 0.1}
SELDOM = 2000
"""Words of which each language has so many, said the less the later they come."""
ONCE_COMMON = " fidget spinner"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=200, help="of each kind (default 200)")
    parser.add_argument(
        "--quick", action="store_true", help="a twentieth of the rows, 40 requests of each kind"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--part", choices=["serve"], help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        serve(options.dsn)
        return
    scale, requests = (0.05, 40) if options.quick else (1.0, options.requests)
    with postgres() as dsn:
        began = time.monotonic()
        rows = fill(dsn, scale)
        made_s = round(time.monotonic() - began, 1)
        results = measure(dsn, requests)
    told = {"made_s": made_s, "machine_load": round(os.getloadavg()[0], 1)}
    report(rows | told, results, as_json=options.json)


@contextmanager
def postgres() -> Iterator[str]:
    """An embedded server with the schema."""
    from fsctl.store import migrate
    from fsctl.store.embedded import Embedded

    with tempfile.TemporaryDirectory(prefix="fsctl-bench-", ignore_cleanup_errors=True) as name:
        # As root the server runs as another account, which must be able to enter.
        Path(name).chmod(0o755)
        server = Embedded(Path(name) / "pg")
        server.start()
        try:
            migrate.migrate(server.dsn)
            yield server.dsn
        finally:
            server.stop()


# --- the house ---------------------------------------------------------------------------------------------

FILL = """
set session_replication_role = replica;
set synchronous_commit = off;
set maintenance_work_mem = '512MB';
create temp table clock as
select now() - interval '1 year' as since, interval '1 year' / %(messages)s as message,
       interval '1 year' / %(calls)s as call;
-- The first is long: it has every so many of all.
create function pg_temp.thread_of(n bigint, of_all bigint, of_long bigint) returns bigint language sql immutable as
$$ select case when n %% (of_all / of_long) = 0 and n / (of_all / of_long) <= of_long then 1
               else 2 + n * 7919 %% (%(contacts)s - 1) end $$;

insert into contact (display_name, language, change_seq)
select 'Customer ' || n, 'en', n from generate_series(1, %(contacts)s) n;
insert into alias (kind, value, contact_id) select 'wa_id', '1555' || n, n from generate_series(1, %(contacts)s) n;
insert into thread (contact_id, business_number, change_seq)
select n, '15550100900', %(contacts)s + n from generate_series(1, %(contacts)s) n;

insert into message (thread_id, wamid, direction, body, sent_at)
select pg_temp.thread_of(n, %(messages)s, %(long_messages)s), 'wamid.' || n,
       case when n %% 3 = 0 then 'outbound' else 'inbound' end, s.text, c.since + n * c.message
from clock c cross join generate_series(1, %(messages)s::bigint) n
join sentence s on s.id = n * 104729 %% %(sentences)s;

insert into call (uuid, node, channel, phase, contact_id, thread_id, to_number, queue, agent, offered_at, queued_at,
                  bridged_at, ended_at, disposition, fault, hangup_cause)
select 'call-' || n, 'fs1', 'whatsapp', 'ended', w.who, w.who, '15550100900', 'sales@fsctl', 'ann',
       w.at, w.at + interval '5 s', w.at + interval '9 s', w.at + interval '1 min', 'answered', 'nobody',
       'NORMAL_CLEARING'
from clock c cross join generate_series(1, %(calls)s::bigint) n
cross join lateral (
    select pg_temp.thread_of(n, %(calls)s, %(long_calls)s) as who, c.since + n * c.call as at) w;
insert into recording (call_uuid, node, path, state, started_at, transcribed_at)
select 'call-' || n, 'fs1', n || '.wav', 'archived', c.since + n * c.call, c.since + n * c.call + interval '2 min'
from clock c cross join generate_series(1, %(calls)s) n;
insert into utterance (recording_id, call_uuid, leg, start_sample, end_sample, rate, state)
select n, 'call-' || n, case when u %% 2 = 0 then 'caller' else 'agent' end, u * 48000, u * 48000 + 32000, 16000,
       'done'
from generate_series(1, %(calls)s) n, generate_series(0, %(spoken)s - 1) u order by n, u;
-- Its index is made afterwards, at once.
create temp table made as select indexdef from pg_indexes where indexname = 'segment_lexemes';
drop index segment_lexemes;
insert into segment (utterance_id, call_uuid, leg, start_ms, end_ms, text, language, model, pass, change_seq)
select u.id, u.call_uuid, u.leg, u.start_sample / 16, u.end_sample / 16,
       s.text || case when u.id %% 10 = 0 then ' Reference R' || u.id else '' end
              || case when u.recording_id < %(calls)s / 20 and u.id %% 5 = 0 then %(once_common)s else '' end,
       s.language, 'whisper-base', 'final', %(contacts)s * 2 + u.id
from utterance u join sentence s on s.id = u.id * 104729 %% %(sentences)s order by u.id;
do $$ begin execute (select indexdef from made); end $$;

insert into item (kind, ref, thread_id, at, change_seq)
select kind, ref, thread_id, at, %(contacts)s * 2 + %(calls)s * %(spoken)s + row_number() over (order by at) from (
    select 'message' as kind, id::text as ref, thread_id, sent_at as at from message
    union all select 'call', uuid, thread_id, offered_at from call
) i order by at;
vacuum analyze;
"""


def fill(dsn: str, scale: float) -> dict[str, int]:
    """Make all of it; returns how many rows there are of what."""
    import psycopg

    sizes = {
        "messages": int(MESSAGES * scale), "calls": int(CALLS * scale), "spoken": SPOKEN, "contacts": CONTACTS,
        "long_messages": LONG_MESSAGES, "long_calls": LONG_CALLS, "sentences": SENTENCES,
        "once_common": ONCE_COMMON,
    }  # fmt: skip
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("create temp table sentence (id integer primary key, language text, text text)")
        with connection.cursor().copy("copy sentence from stdin") as copy:
            for row in enumerate(sentences()):
                copy.write_row((row[0], *row[1]))
        for statement in FILL.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode(), sizes)
        (segments, items, size) = connection.execute(
            "select (select count(*) from segment), (select count(*) from item where thread_id = 1), "
            "pg_database_size(current_database()) / 1048576"
        ).fetchone() or (0, 0, 0)
    told = {name: sizes[name] for name in ("messages", "calls")}
    return {**told, "segments": segments, "items_of_the_long_thread": items, "megabytes": size}


def sentences() -> Iterator[tuple[str, str]]:
    """What people say: a few words very often, many seldom. Always the same."""
    dice = random.Random(8)
    languages = dice.choices(list(SHARES), list(SHARES.values()), k=SENTENCES)
    common = [1 / rank for rank in range(1, 100)]
    for language in languages:
        words = LANGUAGES[language]
        said = dice.choices(words, common[: len(words)], k=dice.randint(4, 10))
        said += [seldom(int(dice.paretovariate(0.5)) % SELDOM) for _ in range(3)]
        dice.shuffle(said)
        yield language, " ".join(said).capitalize() + "."


def seldom(rank: int) -> str:
    """A word that no language has."""
    return "".join("bdfglmnprstvz"[rank * step % 13] + "aeiou"[rank // step % 5] for step in (1, 13, 169))


# --- what is asked -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """One request, and the query that answers it."""

    path: str
    query: str
    """Its name in ``fsctl/store/queries``."""
    params: Mapping[str, Any]


Asking = Callable[[], Question]


def questions(connection: Any) -> dict[str, Asking]:
    """Of each kind, what asks the next one."""
    dice = random.Random(9)
    order = connection.execute("select at, id from item where thread_id = 1 order by at, id").fetchall()
    lowest, highest = connection.execute("select min(change_seq), max(change_seq) from item").fetchone()
    (segments,) = connection.execute("select max(id) from segment").fetchone()

    def items(low: float, high: float) -> Asking:
        return lambda: _items(order[int(dice.uniform(low, high) * (len(order) - PAGE - 1))])

    def search(words: Callable[[], str], language: str | None = None) -> Asking:
        return lambda: _search(words(), language)

    english, spanish = LANGUAGES["en"], LANGUAGES["es"]
    return {
        "items, first page": lambda: _items(None),
        "items, in the middle": items(0.3, 0.7),
        "items, last page": lambda: _items(order[-PAGE - 1]),
        "changes": lambda: _changes(dice.randint(lowest, highest)),
        "search, said once": search(lambda: f"R{dice.randint(1, segments // 10) * 10}"),
        "search, seldom said": search(lambda: seldom(dice.randint(200, SELDOM - 1))),
        "search, often said": search(lambda: dice.choice(english)),
        "search, two words": search(lambda: " ".join(dice.sample(english, 2))),
        "search, in Spanish": search(lambda: dice.choice(spanish), "es"),
        "search, not said for long": search(lambda: dice.choice(ONCE_COMMON.split())),
    }


def _items(after: tuple[Any, int] | None) -> Question:
    at, item_id = after or (None, None)
    cursor = {} if at is None else {"after": f"{round(at.timestamp() * 1_000_000)}_{item_id}"}
    params = {"thread_id": 1, "at": at, "item_id": item_id, "limit": PAGE + 1}
    return Question(_path("/v1/threads/1/items", limit=PAGE, **cursor), "pages.items_asc", params)


def _changes(after: int) -> Question:
    return Question(
        _path("/v1/changes", after=after, limit=PAGE), "pages.changes", {"after": after, "limit": PAGE + 1}
    )


def _search(q: str, language: str | None) -> Question:
    given = {"q": q} if language is None else {"q": q, "language": language}
    from fsctl.store.search import NEAR

    params = {"q": q, "language": language, "before": None, "near": NEAR, "limit": PAGE + 1}
    return Question(_path("/v1/search", **given, limit=PAGE), "search.transcripts", params)


def _path(path: str, **given: object) -> str:
    return f"{path}?{urlencode(given)}"


# --- measuring ---------------------------------------------------------------------------------------------


def serve(dsn: str) -> None:
    """The part of ``fsctl serve`` that answers, until standard input is closed."""
    from gevent import monkey

    monkey.patch_all()
    from gevent.fileobject import FileObjectThread

    from fsctl import collector
    from fsctl.store.db import Database
    from fsctl.store.tokens import Tokens
    from fsctl.web.api.house import House
    from fsctl.web.api.routes import routes
    from fsctl.web.server import Server

    database = Database(dsn, process="serve")
    database.open()
    secret = Tokens(database).new("benchmark", ["crm"], who="benchmark")
    server = Server("127.0.0.1:0", routes(House(database), Tokens(database)))
    server.start()
    collector.calm()
    print(json.dumps({"port": server.address[1], "secret": secret}), flush=True)
    FileObjectThread(sys.stdin.buffer).read()


def measure(dsn: str, requests: int) -> list[dict[str, Any]]:
    """Ask over HTTP and in plain SQL, in turns."""
    import psycopg

    command = [sys.executable, __file__, "--part", "serve", "--dsn", dsn]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        assert server.stdout is not None
        began = json.loads(server.stdout.readline())
        client = http.client.HTTPConnection("127.0.0.1", began["port"], timeout=60)
        headers = {"Authorization": f"Bearer {began['secret']}"}
        results = []
        for kind, ask in questions(connection).items():
            by_http: list[float] = []
            by_sql: list[float] = []
            found = 0
            for _ in range(requests + WARM_UP):
                question = ask()
                rows = timed(by_http, lambda q=question: over_http(client, headers, q))
                found += rows
                assert timed(by_sql, lambda q=question: in_sql(connection, q)) == rows, question
            results.append(
                {"kind": kind, "rows": round(found / (requests + WARM_UP), 1)}
                | {f"http_{name}": value for name, value in ranks(by_http[WARM_UP:]).items()}
                | {f"sql_{name}": value for name, value in ranks(by_sql[WARM_UP:]).items()}
            )
        client.close()
        assert server.stdin is not None
        server.stdin.close()
    return results


def timed(into: list[float], do: Callable[[], int]) -> int:
    """Its result; the milliseconds go ``into`` the list."""
    began = time.perf_counter()
    result = do()
    into.append((time.perf_counter() - began) * 1000)
    return result


def over_http(client: http.client.HTTPConnection, headers: Mapping[str, str], question: Question) -> int:
    """Rows of the answer."""
    client.request("GET", question.path, headers=dict(headers))
    answer = client.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{question.path}: HTTP {answer.status}: {body[:500]!r}")
    return len(json.loads(body)["data"])


def in_sql(connection: Any, question: Question) -> int:
    """Rows of the page; the one more is only looked at."""
    from fsctl.store.db import queries

    rows = connection.execute(queries()[question.query].encode(), question.params, prepare=False).fetchall()
    return min(len(rows), PAGE)


def ranks(values: list[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(values)
    return {f"p{share}_ms": round(ordered[len(ordered) * share // 100], 1) for share in (50, 95)}


# --- the report --------------------------------------------------------------------------------------------


def report(rows: dict[str, Any], results: list[dict[str, Any]], *, as_json: bool) -> None:
    """A table, and the goals."""
    goals = []
    for one in results:
        most = GOAL_SEARCH_MS if one["kind"].startswith("search") else GOAL_PAGE_MS
        measured = one["http_p95_ms"]
        goals.append(
            {
                "name": f"{one['kind']}: p95 ms over HTTP",
                "measured": measured,
                "goal": most,
                "met": measured < most,
            }
        )
    if as_json:
        print(json.dumps({"rows": rows, "results": results, "goals": goals}))
        return
    print(", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in rows.items()))
    print(f"{'':28}{'rows':>7}{'HTTP p50':>12}{'p95':>9}{'SQL p50':>12}{'p95':>9}   ms")
    for one in results:
        numbers = f"{one['http_p50_ms']:12}{one['http_p95_ms']:9}{one['sql_p50_ms']:12}{one['sql_p95_ms']:9}"
        print(f"{one['kind']:28}{one['rows']:7}{numbers}")
    for one in goals:
        print(f"{'met   ' if one['met'] else 'MISSED'} {one['name']}: {one['measured']} (goal {one['goal']})")


if __name__ == "__main__":
    main()
