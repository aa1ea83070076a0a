"""One story, and one count of it: report, figures, views, guardrails, files, API and terminal say the same.

Each is held against a slow count of rows (support/one_count.py), on both databases.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from kaskad.actions import mailboxes, measures, reports
from kaskad.actions.export import Data, Form, Wanted, export_data
from kaskad.actions.guard_counts import counts_of
from kaskad.actions.measures import DAY_MS
from kaskad.actions.office import Office
from kaskad.analytics import trials
from kaskad.analytics.courses import tally
from kaskad.analytics.scope import EVERYTHING
from kaskad.cli.report import _read
from kaskad.cli.screens.run import _report_table
from kaskad.domain.guard import Figure
from kaskad.domain.terms import Channel, Kind, MessageState, Reason
from kaskad.engine.arrival import Arrival
from kaskad.store import courses, settings
from kaskad.store.db import Database
from kaskad.web.api.launches import ReportView
from kaskad.web.api.measures import MeasuresView
from support import one_count
from support.one_count import Message, Run, levels, line, messages
from support.plain import LETTER_AGAIN
from support.stage import VAULT, Stage, accepted, refused

CASCADE = """
cascade: shop
class: advertising
topic: news
holdout: 20%
trigger: {event: left, key: cart}
reentry: parallel_by_key
goal: {event: bought, value: amount, match: {cart: trigger.cart}, returned: {event: refund, value: amount}}
budget: {total: 100000 KZT}
steps:
  - id: letter
    channel: email
    subject: Hello
    variants:
      - {id: plain, html: "<b>Hello</b> {{ unsubscribe_url }}", text: "Hello {{ unsubscribe_url }}"}
      - {id: warm, html: "<b>Dear</b> {{ unsubscribe_url }}", text: "Dear {{ unsubscribe_url }}"}
    wait: 1d
  - {id: chat, channel: telegram, text: "Hello {{ unsubscribe_url }}", wait: 1d, success: none}
  - {id: sms, channel: sms, text: "Hello {{ unsubscribe_url }}", wait: 1d, holdout: 20%}
"""
CHANNELS = (Channel.EMAIL, Channel.TELEGRAM, Channel.SMS)
DAY = 86_400_000
COUNTS = tuple(line([]))


class Story:
    """Sixty people, and all that may happen to messages."""

    def __init__(self, db: Database) -> None:
        self.db, self.stage = db, Stage(db)
        stage = self.stage
        prices = {"currency": "KZT", "minor": 7}
        stage.account(Channel.EMAIL, "email", provider="smtp", prices=prices, priority=0)
        stage.account(Channel.EMAIL, "spare", provider="postmark", prices=prices, priority=5)
        stage.account(Channel.SMS, "sms", prices=prices)
        self.office = Office(db, VAULT, stage.engine, stage.world.signer, "")
        self.number = stage.cascade(CASCADE)
        stage.answer = lambda parcel: (
            refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
            if parcel.contact_id % 19 == 0
            else accepted(parcel, stage.clock.now())
        )
        self.people = [stage.person(f"p{n}", CHANNELS) for n in range(60)]
        seeds = [stage.person(f"seed{n}", CHANNELS) for n in range(2)]
        with db.write() as tx:
            tx.script(f"UPDATE contacts SET seed = 1 WHERE id IN ({seeds[0]}, {seeds[1]})")
        stage.engine._load()
        self.entered_at = stage.clock.now()
        for person in self.people[:30] + seeds:
            stage.event(person, "left", cart=1)
        stage.account(Channel.EMAIL, "email", provider="smtp", prices=prices, enabled=False)
        for person in self.people[30:]:  # by the spare account, whose service tells of deliveries
            stage.event(person, "left", cart=1)
        self._letters([p for p in [*self.people, *seeds] if stage.sent(p)])
        stage.passes("30h")
        self._chats([p for p in self.people if "chat" in stage.sent(p)])
        for person in self.people[:6]:
            stage.event(person, "left", cart=2)  # again
        stage.passes("3d")
        self._refusals([p for p in self.people if "sms" in stage.sent(p)])
        self._goals()
        stage.passes("8d")
        for person in [p for p in self.people if stage.sent(p)][1::5]:
            stage.receipt(person, Kind.OPENED, Kind.CLICKED, Kind.COMPLAINED, step=0)  # far too late
        stage.receipt([p for p in self.people if stage.sent(p)][2], Kind.UNSUBSCRIBED, step=0)
        stage.event(self.people[0], "refund", amount=30)
        stage.event(self.people[1], "refund", amount=100)

    def _letters(self, reached: list[int]) -> None:
        receipt = self.stage.receipt
        for n, person in enumerate(reached):
            if n % 2:
                receipt(person, Kind.DELIVERED)
            receipt(person, *LETTERS[n % len(LETTERS)])

    def _chats(self, reached: list[int]) -> None:
        for n, person in enumerate(reached):
            self.stage.receipt(person, *CHATS[n % len(CHATS)], step=1)

    def _refusals(self, reached: list[int]) -> None:
        """People say no by all ways there are: of the message, of an earlier one, by word, to the shop."""
        stage = self.stage
        for n, person in enumerate(reached):
            if n % 3:
                stage.receipt(person, Kind.DELIVERED, step=2)
        link, earlier, word, shop, late, *_ = self.leavers = reached[:5]
        stage.receipt(link, Kind.UNSUBSCRIBED, step=2)
        stage.receipt(earlier, Kind.UNSUBSCRIBED, step=0)
        stage.receipt(word, Kind.REPLIED, step=2, value='{"text": "STOP"}')
        self._refuses(shop)
        stage.passes("2d")
        self._refuses(late)

    def _refuses(self, person: int) -> None:
        value = '{"scope": "advertising"}'
        now = self.stage.clock.now()
        self.stage.deliver(arrivals=[Arrival(person, 0, -1, Kind.UNSUBSCRIBED.value, "api", now, value)])

    def _goals(self) -> None:
        for person in self.people[:20]:
            self.stage.event(person, "bought", cart=1, amount=100)
        self.stage.event(self.people[2], "refund", amount=40)
        self.stage.event(self.people[3], "refund", amount=100)

    @property
    def runs(self) -> list[Run]:
        return one_count.runs(self.db, "shop")


LETTERS: list[tuple[Kind, ...]] = [
    (Kind.OPENED,), (Kind.MACHINE_OPENED,), (Kind.MACHINE_OPENED, Kind.OPENED), (Kind.OPENED, Kind.CLICKED),
    (Kind.SUSPECTED_CLICKED,), (Kind.SUSPECTED_CLICKED, Kind.MACHINE_CLICKED), (Kind.COMPLAINED,),
    (Kind.DELIVERED, Kind.BOUNCED), (Kind.BOUNCED,), (Kind.FAILED,), (), (), (), (), (), (),
]  # fmt: skip
CHATS: list[tuple[Kind, ...]] = [
    (Kind.DELIVERED,), (Kind.DELIVERED, Kind.READ), (Kind.READ,), (Kind.CLICKED,), (Kind.FAILED,), (),
    (Kind.DELIVERED, Kind.UNSUBSCRIBED),
]  # fmt: skip


@pytest.fixture
def story(either: Database) -> Story:
    return Story(either)


def by_step(made: list[Message]) -> dict[tuple[str, str], list[Message]]:
    """Return messages by the words for their step and channel."""
    steps = ("letter", "chat", "sms")
    found: dict[tuple[str, str], list[Message]] = {}
    for one in made:
        found.setdefault((steps[one.step], one.channel), []).append(one)
    return found


def test_all_that_counts_counts_the_same(story: Story) -> None:
    runs = story.runs
    made = messages(runs)
    assert_rich(runs, made, story.leavers)
    told = reports.report(story.office, "shop")
    check_report(told, runs, made)
    check_figures(measures.told(story.office, "shop"), runs, made)
    check_api(story, told, made)
    check_terminal(ReportView.of(told), told)
    check_files(story, told, runs, made)
    check_views(story, runs, made)
    check_guards(story, made)
    check_others(story, runs, made)
    check_people(story, told)
    check_alike(story)


def check_alike(story: Story) -> None:
    """Runs are looked at together with all that stand alike: each is as it is looked at by itself."""
    with story.db.read() as tx:
        keys = {(row[0], row[1]) for row in tx.among("runs_of_contacts", [*range(1, 100)])}
        texts: dict[int, str] = {}
        together = courses.stand(tx, keys, texts)
        for key in keys:
            own: dict[int, str] = {}
            assert courses.stand(tx, {key}, own) == {key: together[key]}
            assert own.items() <= texts.items()
    assert len(together) == len(keys) > 60 and len(set(together.values())) > 20


def assert_rich(runs: list[Run], made: list[Message], leavers: list[int]) -> None:
    """The story has all that ways of counting could differ by."""
    every = line(made)
    assert all(every[name] for name in COUNTS if name != "waiting"), every
    assert any(run.holdout for run in runs) and any(run.holdout and run.goal for run in runs)
    assert {one.tells for one in made if one.channel == "email"} == {True, False}
    assert any(one.arrived and not one.delivered for one in made)
    assert any(one.unfailed and not one.arrived for one in made)
    assert any(Kind.DELIVERED in one.facts and one.state == "bounced" for one in made)
    assert any(Kind.CLICKED in one.facts.keys() - one.week for one in made), "too late"
    assert any(Kind.COMPLAINED in one.facts.keys() - one.week for one in made), "too late"
    assert any(one.left and Kind.UNSUBSCRIBED not in one.facts for one in made), "by another way"
    assert any(Kind.UNSUBSCRIBED in one.facts and not one.left for one in made)
    left = {one.run.contact for one in made if one.left}
    assert {*leavers} <= left, "by whichever way they said no, after the run's end too"
    assert one_count.opted_out(made) >= 5 and one_count.complained(made)
    assert sum(run.returned > 0 for run in runs) == 4 > 3 > sum(run.holdout for run in runs if run.returned)


def check_report(told: reports.Told, runs: list[Run], made: list[Message]) -> None:
    report = told.report
    places = by_step(made)
    assert {(each.id, each.channel) for each in report.lines} == {*places}
    for each in report.lines:
        of = places[each.id, each.channel]
        assert {name: getattr(each, name) for name in COUNTS} == line(of), each.id
        assert each.cost == ({"KZT": sum(one.money for one in of)} if each.cost else {})
        rates = told.rates[each.id, each.channel]
        arrived = sum(one.arrived for one in of)
        assert (rates["unsubscribe_rate"].part, rates["unsubscribe_rate"].whole) == (
            one_count.opted_out(of), arrived,
        )  # fmt: skip
        assert (rates["complaint_rate"].part, rates["complaint_rate"].whole) == (
            one_count.complained(of), arrived,
        )  # fmt: skip
    for place, one in enumerate(told.variants):
        counts = line([each for each in made if each.step == 0 and each.variant == place])
        assert {name: getattr(one, name) for name in counts if hasattr(one, name)} == {
            name: count for name, count in counts.items() if hasattr(one, name)
        } and counts["sent"] > 5, one.id
    assert len(told.variants) == 2
    assert {each.name: each.contacts for each in report.levels} == levels(runs)
    live = [run for run in runs if not run.holdout]
    assert (report.entered, report.holdouts) == (len(live), len(runs) - len(live))
    assert report.goals == sum(run.goal for run in live)
    assert report.revenue == {"KZT": sum(run.value - run.returned for run in live)}
    assert report.returned == {"KZT": sum(run.returned for run in live)}


def check_figures(told: measures.Told, runs: list[Run], made: list[Message]) -> None:
    rates, live = told.measured.all.rates, [run for run in runs if not run.holdout]
    arrived = [one for one in made if one.arrived]
    telling = [one for one in made if one.sent and one.tells]
    mails = [one for one in arrived if one.channel == "email"]
    assert told.measured.all.arrived == len(arrived)
    expected = {
        "delivery_rate": (sum(one.delivered for one in telling), len(telling)),
        "ctr": (sum(Kind.CLICKED in one.week for one in arrived), len(arrived)),
        "ctor": (
            sum(Kind.CLICKED in one.week for one in mails), sum(Kind.OPENED in one.week for one in mails),
        ),
        "unsubscribe_rate": (one_count.opted_out(made), len(arrived)),
        "complaint_rate": (one_count.complained(made), len(arrived)),
        "goal_rate": (sum(one.run.goal for one in arrived), len(arrived)),
    }  # fmt: skip
    assert {name: (rates[name].part, rates[name].whole) for name in expected} == expected
    of_runs = told.measured.rates
    assert (of_runs["run_unsubscribe_rate"].part, of_runs["run_unsubscribe_rate"].whole) == (
        sum(any(one.left for one in run.messages) for run in live), len(live),
    )  # fmt: skip
    assert {name: of_runs[f"reach_{name}"].part for name in levels(runs)} == levels(runs)
    assert of_runs["cr_holdout"].part == sum(run.goal for run in runs if run.holdout)


def check_api(story: Story, told: reports.Told, made: list[Message]) -> None:
    """The API answers with the report's and the figures' own numbers."""
    answer = ReportView.of(told).model_dump()
    for each in answer["lines"]:
        of = by_step(made)[each["id"], each["channel"]]
        assert {name: each[name] for name in COUNTS if name in each} == {
            name: count for name, count in line(of).items() if name in each
        }
    figures = MeasuresView.of(measures.told(story.office, "shop")).model_dump()
    assert figures["all"]["rates"]["unsubscribe_rate"]["part"] == one_count.opted_out(made)


def check_terminal(answer: ReportView, told: reports.Told) -> None:
    """The terminal reads the API's answer and prints it by steps."""
    read = _read(msgspec.json.decode(answer.model_dump_json()))
    shown: Any = _report_table(read).renderables[1]
    for name in ("sent", "delivered", "seen", "reacted"):
        numbers = [row[shown.head.index(name)] for row in shown.rows]
        assert numbers[:-1] == [getattr(each, name) for each in told.report.lines], name


def check_files(story: Story, told: reports.Told, runs: list[Run], made: list[Message]) -> None:
    text = b"".join(reports.export(told, "csv")).decode("utf-8-sig")
    book = CalamineWorkbook.from_filelike(io.BytesIO(b"".join(reports.export(told, "xlsx"))))
    header, *sheet = book.get_sheet_by_index(0).to_python()
    tables: list[list[dict[str, Any]]] = [
        list(csv.DictReader(io.StringIO(text))), [dict(zip(header, row, strict=True)) for row in sheet],
    ]  # fmt: skip
    for table in tables:
        for (step, channel), of in by_step(made).items():
            row = next(each for each in table if (each["step"], each["channel"]) == (step, channel))
            assert {name: int(row[name] or 0) for name in COUNTS if name in row} == {
                name: count for name, count in line(of).items() if name in row
            }, step
    figures = b"".join(measures.export(measures.told(story.office, "shop"), "csv")).decode("utf-8-sig")
    whole = {each["measure"]: each for each in csv.DictReader(io.StringIO(figures)) if not each["step"]}
    assert int(whole["unsubscribe_rate"]["part"]) == one_count.opted_out(made)
    assert int(whole["complaint_rate"]["part"]) == one_count.complained(made)
    goals = taken(story, Data.GOALS)
    seeds = {f"con_{row[0]}" for row in one_count.rows(story.db, "SELECT id FROM contacts WHERE seed = 1")}
    mine = [row for row in goals if row["contact"] not in seeds]
    assert len(mine) == sum(run.goal for run in runs)
    assert sum(row["value"] for row in mine) * 100 == sum(run.value for run in runs)
    assert sum(row["returned"] for row in mine) * 100 == sum(run.returned for run in runs)
    costs = taken(story, Data.COSTS)
    assert round(sum(row["cost"] for row in costs) * 100) == sum(one.money for one in made)
    assert sum(row["messages"] for row in costs) == sum(one.sent for one in made)


def taken(story: Story, what: Data) -> list[dict[str, Any]]:
    """Return a set of rows as Parquet and CSV hold it, which must be the same."""
    made = {
        form: b"".join(export_data(story.office, what, form, Wanted())) for form in (Form.PARQUET, Form.CSV)
    }
    found = pq.read_table(io.BytesIO(made[Form.PARQUET])).to_pylist()
    plain = list(csv.DictReader(io.StringIO(made[Form.CSV].decode("utf-8-sig"))))
    assert len(plain) == len(found)
    return found


def view(story: Story, name: str) -> Iterator[dict[str, Any]]:
    text = f"SELECT * FROM bi_{name}"
    with story.db.read() as tx:
        connection = tx._connection  # type: ignore[attr-defined]
        if tx.dialect == "sqlite":
            names = [row[1] for row in connection.execute(f"PRAGMA table_info(bi_{name})")]
        else:
            names = [each.name for each in connection.execute(text.encode()).description]
    return (dict(zip(names, row, strict=True)) for row in one_count.rows(story.db, text))


def check_views(story: Story, runs: list[Run], made: list[Message]) -> None:
    steps = {(each["step_id"], each["channel"]): each for each in view(story, "steps")}
    for place, of in by_step(made).items():
        counts = line(of) | {"opted_out": one_count.opted_out(of), "complained": one_count.complained(of)}
        assert {name: count for name, count in counts.items() if name in steps[place]} == {
            name: steps[place][name] for name in counts if name in steps[place]
        }, place
    live = [run for run in runs if not run.holdout]
    days = list(view(story, "daily"))
    assert sum(each["entered"] for each in days) == len(live)
    assert sum(each["goals"] for each in days) == sum(run.goal for run in live)
    assert sum(each["holdout_goals"] for each in days) == sum(run.goal for run in runs if run.holdout)
    assert round(sum(each["revenue"] for each in days) * 100) == sum(r.value - r.returned for r in live)
    for name in ("delivered", "seen", "reacted"):
        assert sum(each[f"reached_{name}"] for each in days) == levels(runs)[name]
    mine = [each for each in view(story, "messages") if not each["seed"]]
    assert round(sum(each["cost"] or 0 for each in mine) * 100) == sum(one.money for one in made)
    assert round(sum(each["cost"] for each in view(story, "costs")) * 100) == sum(one.money for one in made)


def check_guards(story: Story, made: list[Message]) -> None:
    """What guardrails call bad is what figures count; of what, differs by what no service has told of."""
    with story.db.read() as tx:
        counts = counts_of(tx, story.entered_at + DAY // 2)
    since = min(hour for _, hour in counts)
    for step in range(3):
        of = [one for one in made if one.step == step]
        found = {
            stream.figure: each
            for (stream, hour), each in counts.items()
            if stream.step == step and not stream.account_id and hour == since
        }  # fmt: skip
        may_have = sum(one.unfailed or one.refused for one in of)
        assert (found[Figure.OPT_OUTS].bad, found[Figure.OPT_OUTS].of) == (one_count.opted_out(of), may_have)
        assert (found[Figure.COMPLAINTS].bad, found[Figure.COMPLAINTS].of) == (
            one_count.complained(of), may_have,
        )  # fmt: skip
        assert may_have - sum(one.arrived for one in of) == sum(
            one.tells and one.state in ("sent", "unknown") and not one.refused for one in of
        )
        ended = [one for one in of if one.sent or one.state == "rejected"]
        assert found[Figure.FAILURES].of == len(ended)


def check_others(story: Story, runs: list[Run], made: list[Message]) -> None:
    """Trials, complaints by day, mailboxes and the first page count by the same words."""
    live = [run for run in runs if not run.holdout]
    with story.db.read() as tx:
        trial = trials.outcomes(tally(tx, story.number, EVERYTHING), {})
    assert trial.opted_out == sum(
        any(one.left for one in run.messages) or Kind.COMPLAINED in run.marks
        or any(Kind.COMPLAINED in one.facts for one in run.messages) for run in live
    )  # fmt: skip
    days = measures.complaints(story.office, 60)
    mails = [one for one in made if one.channel == "email"]
    assert sum(each.complaints.part for each in days) == one_count.complained(mails)
    assert sum(each.complaints.whole for each in days) == sum(one.arrived for one in mails)
    by_day = Counter[int]()
    for each in days:
        by_day[each.day] += each.complaints.whole
    assert by_day == Counter(one.submitted_at // DAY_MS * DAY_MS for one in mails if one.arrived)
    kept = mailboxes.told(story.office, 60)
    whole = Counter[str]()
    for service in kept.services:
        whole.update({name: getattr(service.whole, name) for name in ("arrived", "complaints", "opt_outs")})
    assert whole == Counter({
        "arrived": sum(one.arrived for one in mails), "complaints": one_count.complained(mails),
        "opt_outs": one_count.opted_out(mails),
    })  # fmt: skip
    lately = reports.since(story.office, 0)["shop"]
    assert (lately.sent, lately.failed) == (
        sum(one.sent for one in made if one.submitted_at),
        sum(one.state in one_count.FAILED for one in made if one.submitted_at),
    )
    assert lately.cost == {"KZT": sum(one.money for one in made)}
    check_days(story, [one for one in made if one.submitted_at])


def check_days(story: Story, made: Sequence[Any]) -> None:
    """Days are those of the hand-over by the installation's clock; together they are all messages."""
    with story.db.read() as tx:
        zone = settings.zone(tx)
    days = reports.days(story.office, "shop", 60)
    assert len(days) == 60
    for day in days:
        of = [one for one in made if datetime.fromtimestamp(one.submitted_at / 1000, zone).date() == day.day]
        counted = line(of)
        for name in ("sent", "arrived", "seen", "reacted", "failed"):
            assert getattr(day, name) == counted[name], (day.day, name)
        assert day.cost.get("KZT", 0) == sum(one.money for one in of)
    assert sum(day.sent for day in days) == line(list(made))["sent"] > 0


def check_people(story: Story, told: reports.Told) -> None:
    """The people behind a figure are as many as it says."""
    for each in told.report.lines:
        for name in COUNTS:
            found = reports.people(
                story.office, "shop", name, step=each.id, channel=each.channel, limit=500
            ).people
            assert len(found) == getattr(each, name), (each.id, name)


def test_what_a_machine_did_with_a_failed_attempt_is_counted_for_no_other(either: Database) -> None:
    stage = Stage(either)
    stage.cascade(LETTER_AGAIN)
    ann, bob = stage.person("ann"), stage.person("bob")
    for person in (ann, bob):
        stage.event(person, "joined")
    stage.receipt(ann, Kind.MACHINE_OPENED, Kind.FAILED)
    stage.passes("5m")
    stage.receipt(bob, Kind.MACHINE_OPENED)
    made = messages(one_count.runs(either, "plain"))
    told = reports.report(Office(either, VAULT, stage.engine, stage.world.signer, ""), "plain").report
    slow, (shown,) = line(made), told.lines
    assert slow["machine"] == slow["opened_raw"] == 1 and slow["sent"] == 2
    assert {name: getattr(shown, name) for name in COUNTS} == slow


def test_words_for_states_are_those_of_the_slow_count() -> None:
    assert {one.value for one in MessageState} >= one_count.SENT | one_count.FAILED
