"""The views for BI tools hold what the report says, in words, and every column is described."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from kaskad.analytics.reach import report
from kaskad.domain.definition import to_cascade
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Reason, RunState, SkipReason
from support.stage import Stage

PAGE = (Path(__file__).parents[2] / "docs" / "views.md").read_text("utf-8")
MIGRATIONS = Path(__file__).parents[2] / "src" / "kaskad" / "store" / "migrations"
CASCADE = """
cascade: shop
class: service
holdout: 0%
trigger: {event: left}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hello, text: "{{ link('https://example.org') }}", wait: 1d}
  - {id: sms, channel: sms, text: Hello, wait: 1d}
"""
FIGURES = ("sent", "delivered", "arrived", "seen", "reacted", "opened", "clicked", "machine", "failed",
           "unknown", "waiting")  # fmt: skip


def view(stage: Stage, name: str) -> list[dict[str, object]]:
    """Return the rows of a view by column."""
    with stage.db.read() as tx:
        connection = tx._connection
        if tx.dialect == "sqlite":
            names = [row[1] for row in connection.execute(f"PRAGMA table_info(bi_{name})")]
            rows = list(connection.execute(f"SELECT * FROM bi_{name}"))
        else:
            cursor = connection.execute(f"SELECT * FROM bi_{name}".encode())
            names, rows = [column.name for column in cursor.description], cursor.fetchall()
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return found or [dict.fromkeys(names)]


def test_views_say_what_the_report_says_and_every_column_is_described(either):
    prices = {"email": {"currency": "KZT", "minor": 25}, "sms": {"currency": "JPY", "minor": 7}}
    stage = Stage(either)
    for channel in (Channel.EMAIL, Channel.SMS):
        stage.account(channel, channel.value, prices=prices[channel.value])
    number = stage.cascade(CASCADE)
    people = [stage.person(f"p{n}", (Channel.EMAIL, Channel.SMS)) for n in range(6)]
    for person in people:
        stage.event(person, "left")
    stage.receipt(people[0], Kind.OPENED, Kind.CLICKED)
    stage.receipt(people[1], Kind.BOUNCED)
    stage.receipt(people[2], Kind.MACHINE_OPENED)
    stage.event(people[3], "bought")
    stage.passes("2d")
    stage.receipt(people[4], Kind.DELIVERED)

    with either.read() as tx:
        told = report(tx, number, to_cascade(CASCADE, name="shop"), stage.clock.now())
    steps = {one["step_id"]: one for one in view(stage, "steps")}
    for line in told.lines:
        assert {name: steps[line.id][name] for name in FIGURES} == {
            name: getattr(line, name) for name in FIGURES
        }, line.id
    daily = view(stage, "daily")
    assert sum(one["entered"] for one in daily) == told.entered == 6
    assert sum(one["goals"] for one in daily) == told.goals == 1
    for outcome, runs in told.outcomes.items():
        assert sum(one[outcome] for one in daily) == runs, outcome
    levels = {level.name: level.contacts for level in told.levels}
    assert {
        name: sum(one[f"reached_{name}"] for one in daily) for name in ("delivered", "seen", "reacted")
    } == {name: levels[name] for name in ("delivered", "seen", "reacted")}
    for name, digits in (("KZT", 100), ("JPY", 1)):
        whole = told.cost[name] / digits
        assert float(sum(one["cost"] for one in view(stage, "costs") if one["currency"] == name)) == whole > 0
        assert float(sum(one["cost"] for one in view(stage, "messages") if one["currency"] == name)) == whole
    sums = [
        one[name] for part in ("costs", "messages") for one in view(stage, part) for name in ("price", "cost")
    ]
    assert all(len(str(one).partition(".")[2]) <= 3 for one in sums if one is not None), sums
    messages = view(stage, "messages")
    bounced = next(
        one for one in messages if one["contact"] == f"con_{people[1]}" and one["step_id"] == "letter"
    )
    assert (bounced["state"], bounced["channel"], bounced["account"]) == ("bounced", "email", "email")
    runs = {one["contact"]: one for one in view(stage, "runs")}
    assert runs[f"con_{people[3]}"]["outcome"] == "converted"
    at = runs[f"con_{people[3]}"]["entered_at"]
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    assert at == datetime.fromtimestamp(stage.run(people[3]).entered_at / 1000, UTC)
    kinds = {(one["kind"], bool(one["person"])) for one in view(stage, "reactions")}
    assert kinds >= {("clicked", True), ("machine_opened", False), ("bounced", False), ("goal", False)}
    assert view(stage, "cascades")[0]["state"] == "active" and len(view(stage, "contacts")) == 6

    described = dict(re.findall(r"^## bi_(\w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
    for name, text in described.items():
        assert re.findall(r"^\| `(\w+)` \| \S", text, re.MULTILINE) == list(view(stage, name)[0]), name
    assert set(described) == {
        "cascades",
        "contacts",
        "runs",
        "messages",
        "reactions",
        "steps",
        "daily",
        "costs",
        "rates",
    }
    _every_view_is_read_by_python(stage, sorted(described))
    assert "GRANT SELECT ON " + ", ".join(f"bi_{name}" for name in described) in PAGE


def _every_view_is_read_by_python(stage, names):
    """Its SQLite may be years older than ours: no function of a view may be newer than the page says."""
    if stage.db.dialect != "sqlite":
        return
    with stage.db.read() as tx:
        texts = tx._connection.execute("SELECT sql FROM sqlite_schema WHERE type = 'view'").fetchall()
    newer = re.compile(r"\b(concat|concat_ws|string_agg|octet_length|unhex|timediff|iif|if)\(", re.IGNORECASE)
    assert len(texts) >= len(names) and not [found for (text,) in texts if (found := newer.search(text))]
    with closing(sqlite3.connect(f"file:{stage.db.name}?mode=ro", uri=True)) as reader:
        if sqlite3.sqlite_version_info >= (3, 38):
            assert all(reader.execute(f"SELECT * FROM bi_{name}").description for name in names)


def test_every_code_has_its_word_in_the_views():
    text = "".join(path.read_text("utf-8") for path in sorted(MIGRATIONS.glob("*view*.sql")))
    for words in (RunState, Outcome, Channel, MessageState, SkipReason, Reason):
        for member in words:
            assert f"WHEN {member.code} THEN '{member.value}'" in text, "a new word wants the views made anew"
    for kind in Kind:
        if kind < Kind.EVENT:
            assert f"WHEN {kind.value} THEN '{kind.name.lower()}'" in text
