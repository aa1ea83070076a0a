"""Steps that are due by a date: a forecast counts for whom they come too late as the engine does then."""

from datetime import UTC, datetime

import pytest
from numpy.random import default_rng

from engine.test_guards import directly
from kaskad.actions import forecast, hindsight, launches, weeks
from kaskad.actions.audience import Audience
from kaskad.actions.crowds import Sampled
from kaskad.actions.past import Past
from kaskad.actions.simulate import Asked, prepared
from kaskad.demo.play import scenario
from kaskad.domain.definition import to_cascade
from kaskad.domain.policy import DAY, HOUR
from kaskad.domain.terms import Channel
from kaskad.domain.terms import Kind as Fact
from kaskad.planning.dates import WEEK, Entry, as_next, coming
from kaskad.planning.dates import Past as Event
from kaskad.planning.history import Happened
from kaskad.planning.scene import staged
from kaskad.store import week_forecasts
from support.stage import Stage

EVERYBODY = Audience(everybody=True)
ENDING = """cascade: ending
class: service
trigger: {broadcast: all}
steps:
  - {id: hello, channel: email, subject: Hello, text: Hello, success: none}
  - {id: letter, channel: email, subject: s, text: Soon, at: {before: contact.ends, by: 24h}, success: none}
  - {id: last, channel: sms, text: Now, at: {before: contact.ends, by: 2h}, success: none}
  - {id: after, channel: email, subject: Over, text: Over, at: {after: contact.ends, by: 1h}, success: none}
"""


@pytest.fixture
def stage(either) -> Stage:
    return Stage(either)


def instant(stage, hours):
    return datetime.fromtimestamp((stage.clock.now() + hours * HOUR) / 1000, UTC).isoformat()


def sent(stage, steps):
    """Return how many messages of each step have gone."""
    return [len([one for one in stage.parcels if one.step == number]) for number in range(steps)]


def foretold(office, slug, **told):
    found = forecast.expect(office, slug, whom=EVERYBODY, **told)
    return found, [step.messages for step in found.steps]


def played(office, slug):
    ready = prepared(office, slug, Asked(whom=EVERYBODY))
    return [step.messages for step in staged(ready.scene).told.steps]


def test_whoever_has_no_date_or_one_that_is_over_is_not_expected_to_get_a_step(stage):
    """Forecast, simulation and engine say the same of everybody, step by step."""
    for number in range(24):
        ends = [None, -48, -1, 1, 12, 48, 72, 200][number % 8]
        attributes = {} if ends is None else {"ends": instant(stage, ends)}
        stage.person(f"p{number}", [Channel.EMAIL, Channel.SMS], attributes=attributes)
    stage.cascade(ENDING)
    office = directly(stage)
    told, expected = foretold(office, "ending")
    assert told.uncounted == () and told.messages == sum(expected)
    assert told.steps[1].passed["condition_false"] == 3, "who has no date"
    assert expected == played(office, "ending")
    launches.begin(office, "ending", EVERYBODY)
    stage.passes("12d")
    assert expected == sent(stage, 4)


WEBINAR = """cascade: webinar
class: service
trigger: {event: signed}
steps:
  - {id: letter, channel: email, subject: %s, text: t, success: none,
     at: {before: trigger.starts_at, by: 24h}}
  - {id: chat, channel: telegram, text: t, success: none, at: {before: trigger.starts_at, by: 2h}}
"""


def sign(stage, name, people):
    """Let people sign up for the next days, each a while before it begins: of three the second an hour
    before, and the third when it is over."""
    for number in range(people):
        person = stage.person(f"{name} {number}", [Channel.EMAIL, Channel.TELEGRAM])
        stage.event(person, "signed", starts_at=instant(stage, [72, 1, -1][number % 3]))
        stage.passes("40m")


def test_a_week_counts_for_whom_the_dates_of_its_event_come_too_late(stage):
    """As the last events tell it: how long before its date each came."""
    stage.cascade(WEBINAR % "old")
    office = directly(stage)
    sign(stage, "few", 9)
    weeks.go_on(office)
    assert forecast.of_typical(office, "webinar").uncounted == ("dates",), "nine events tell too little"
    sign(stage, "before", 51)
    stage.passes("7d")
    letter, chat = forecast.of_typical(office, "webinar").steps
    assert (letter.messages, letter.passed, chat.passed) == (333, {"too_late": 667}, {"too_late": 333})
    assert 655 < chat.messages <= 667, "few left before"
    real, expected = foretold(office, "webinar")
    assert real.uncounted == () and expected in ([20, 40], [20, 39]), "of the sixty people themselves"
    stage.cascade(WEBINAR % "new")
    weeks.go_on(office)
    sign(stage, "after", 60)
    stage.passes("7d")
    told = hindsight.of_cascade(office, "webinar")[0]
    messages = next(one for one in told.figures if one.figure == "messages")
    assert told.uncounted == () and abs(messages.happened - messages.expected) < 3
    assert 44 < messages.between.low < messages.happened < messages.between.high < 72


def come(stage, name, people, gap, starts_at):
    """Let people sign up one after another, each for the date that `starts_at` tells then."""
    for number in range(people):
        person = stage.person(f"{name} {number}", [Channel.EMAIL, Channel.TELEGRAM])
        stage.event(person, "signed", starts_at=starts_at(number))
        stage.passes(gap)


def both_weeks(stage, office):
    """Return the two forecasts of the version, and how many messages were expected of those who came after
    each, between what, and how many went."""
    again, first = hindsight.of_cascade(office, "webinar")
    assert (first.again, first.uncounted, again.again, again.uncounted) == (False, ("dates",), True, ())
    told = [next(one for one in each.figures if one.figure == "messages") for each in (first, again)]
    assert sum(one.happened for one in told) == len(stage.parcels), "each is of those who came after it"
    return told


def test_a_week_is_forecast_again_once_those_who_have_come_tell_the_date_they_share(stage):
    """They have come early: those to come name the same date, and come ever closer to it."""
    stage.cascade(WEBINAR % "s")
    office, webinar = directly(stage), instant(stage, 8)
    weeks.go_on(office)
    stage.passes("1h")
    come(stage, "early", 49, "2m", lambda _: webinar)
    weeks.go_on(office)
    assert len(hindsight.of_cascade(office, "webinar")) == 1, "a few more are waited for"
    come(stage, "early too", 5, "2m", lambda _: webinar)
    weeks.go_on(office)
    stage.passes("12m")
    come(stage, "later", 60, "5m", lambda _: webinar)
    weeks.go_on(office)
    stage.passes("9d")
    weeks.go_on(office)
    first, again = both_weeks(stage, office)
    assert first.happened == 2 * 54 == first.expected
    assert again.between.low < again.happened < again.between.high
    assert again.happened == 90 and abs(again.expected - 90) < 3, "for thirty of sixty the letter is too late"


def test_a_week_is_forecast_again_a_day_later_by_a_few_whose_dates_are_their_own(stage):
    """Those to come have as long until theirs."""
    stage.cascade(WEBINAR % "s")
    office = directly(stage)
    weeks.go_on(office)
    stage.passes("1h")

    def own(number):
        return instant(stage, [72, 1, -1][number % 3])

    come(stage, "early", 9, "10m", own)
    stage.passes("23h")
    weeks.go_on(office)
    assert len(hindsight.of_cascade(office, "webinar")) == 1, "nine tell too little"
    come(stage, "early too", 3, "10m", own)
    weeks.go_on(office)
    stage.passes("1h")
    come(stage, "later", 60, "30m", own)
    stage.passes("9d")
    first, again = both_weeks(stage, office)
    assert (first.happened, first.expected) == (12, 24)
    assert again.happened == 60 == again.expected and again.between.low < 60 < again.between.high


def test_the_hours_of_a_day_and_the_days_of_a_week_stay_with_an_event_of_the_past():
    monday = 1_780_308_000_000
    assert as_next(monday, {}, monday) == Entry(monday)
    for days in (1, 6, 7, 20):
        entry = as_next(monday - days * DAY, {}, monday)
        assert monday <= entry.at < monday + WEEK and entry.later_ms % WEEK == 0
        assert entry.at - entry.later_ms == monday - days * DAY


def test_of_a_date_that_many_share_those_who_come_early_tell_only_which_it_is():
    """Else a webinar's first would tell that everybody comes days before."""
    cascade, now = to_cascade(WEBINAR % "s", name="webinar"), 20 * DAY

    def told(*dates):
        """Return how long before the date people come, in days, by ten events each that name one of these."""
        events = [
            Event(10 * turn + n, 19 * DAY, {"starts_at": day * DAY / 1000})
            for turn, day in enumerate(dates)
            for n in range(10)
        ]
        entries = coming(cascade, events, now).values()
        return sorted(
            round((one.properties["starts_at"] * 1000 + one.later_ms - one.at) / DAY, 3) for one in entries
        )

    evenly = [round(0.1 + place / 5, 3) for place in range(10)]
    assert told(22) == evenly, "until it begins"
    assert told(31) == [round(4 + 0.35 + 0.7 * place, 3) for place in range(10)], "in the week that begins"
    assert told(19.5) == told(19.5, 22) == [0.5] * 10, "of one that is over all is known"
    assert told(22, 22.5) == sorted(evenly + [round(0.125 + place / 4, 3) for place in range(10)])
    assert told(*range(30, 51)) == sorted(10 * [*range(11, 32)]), "appointments, some of them at one time"
    alone = [Event(n, 19 * DAY, {"starts_at": 22 * DAY / 1000 + n}) for n in range(12)]
    assert len(coming(cascade, alone, now)) == 12 and coming(cascade, alone[:9], now) == {}
    assert len(coming(cascade, [Event(n, DAY, {}) for n in range(10)], now)) == 10, "who has no date"


REACTS = (Fact.OPENED, 0.2), (Fact.CLICKED, 0.5), (Fact.CLICKED, 0.375)  # as many as the field's figures say
HAVE = (Channel.EMAIL, 0.9), (Channel.TELEGRAM, 0.6), (Channel.SMS, 0.8)


def run_webinar(stage, chance, name, people):
    """Let people sign up, from 60 hours before a webinar until 20 after it begins; return by step how many
    messages went."""
    at, began, seen = instant(stage, 60), len(stage.parcels), len(stage.parcels)
    told = {
        "webinar_id": name,
        "starts_at": at,
        "title": "t",
        "starts_text": "t",
        "join_url": "https://x.org",
    }
    for hour in range(90):
        for number in range(people * hour // 80, min(people, people * (hour + 1) // 80)):
            channels = [channel for channel, share in HAVE if chance.random() < share]
            person = stage.person(f"{name} {number}", channels, zone="Asia/Almaty")
            stage.event(person, "webinar_registered", **told)
        stage.passes("1h")
        new, seen = stage.parcels[seen:], len(stage.parcels)
        for parcel in new:
            kind, share = REACTS[parcel.step]
            if chance.random() < share:
                stage.receipt(parcel.contact_id, kind, step=parcel.step)
    return [len([one for one in stage.parcels[began:] if one.step == step]) for step in range(3)]


def test_what_is_told_of_the_demo_s_next_webinar_by_the_last_one_then_comes(db):
    """Most of the difference was who signs up too late for a step, or at no permitted hour for it."""
    stage, chance = Stage(db), default_rng(3)
    text = scenario("webinar", english=False)
    stage.cascade(text)
    office, cascade = directly(stage), to_cascade(text, name="webinar")
    stage.passes("9h")
    run_webinar(stage, chance, "one", 160)
    stage.passes("78h")
    with office.read() as tx:
        ids = week_forecasts.lately(tx, "webinar_registered", stage.clock.now() // DAY - 28, 1_000)
    nothing = Past(Happened({}), {}, Happened({}))
    told = forecast.of_people(office, cascade, Sampled("", 160, ids), nothing, is_whole=False)
    came = run_webinar(stage, chance, "two", 160)
    assert told.uncounted == ()
    assert told.ranges["messages"].low < sum(came) < told.ranges["messages"].high, (came, told.messages)
    assert [abs(step.messages - some) < 20 for step, some in zip(told.steps, came, strict=True)] == [True] * 3
