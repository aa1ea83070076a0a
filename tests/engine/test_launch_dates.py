"""A launch begins at its date, once, whatever happens meanwhile; or it is missed, and an alarm says so."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

import pytest

from engine.test_guards import directly
from kaskad.actions import launch_dates, launches, policy, segments
from kaskad.actions.alarms import alarms
from kaskad.actions.audience import Audience
from kaskad.actions.launch_dates import Told
from kaskad.actions.lists import create, delete, to_choose
from kaskad.actions.office import Office
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.policy import HOUR
from kaskad.engine import merging
from kaskad.store import cascades, lists
from kaskad.store.launch_dates import BEGUN, drop_part, end, ended_parts, planned
from support.stage import Stage

CASCADE = """
cascade: sale
class: service
trigger: {broadcast: all}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 6h}
"""
ALL = Audience(everybody=True)


@pytest.fixture
def stage(either) -> Stage:
    return Stage(either)


@pytest.fixture
def office(stage) -> Office:
    stage.cascade(CASCADE)
    for n in range(3):
        stage.person(f"p{n}")
    return directly(stage)


def after(stage: Stage, hours: float) -> str:
    """Return what the clock of UTC shows so many hours from now."""
    at = datetime.fromtimestamp((stage.clock.now() + hours * HOUR) / 1000, UTC)
    return at.replace(tzinfo=None).isoformat(timespec="minutes")


def goes_on(office: Office, stage: Stage, span: str) -> int:
    """Let time pass, look whose date has come, and return to how many something was sent by now."""
    stage.passes(span)
    launch_dates.go_on(office)
    stage.works()
    return len(stage.parcels)


def of_two_hours(stage: Stage) -> dict[str, int]:
    """Make somebody whose day begins ten hours before UTC's, and somebody whose begins five after it."""
    return {
        "east": stage.person("east", zone="Asia/Vladivostok"),
        "west": stage.person("west", zone="America/New_York"),
    }


def state(office: Office, launch_id: int) -> str:
    return launches.find(office, "sale", launch_id).state


def missed(office: Office) -> list[str]:
    return [each.detail for each in alarms(office) if each.kind == "launch_missed"]


def test_a_launch_begins_at_its_date_for_whom_it_is_then(stage, office):
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 5), pace="3600/h"))
    assert (made.state, made.size, made.audience, made.pace) == ("planned", None, "everybody", 3600)
    assert goes_on(office, stage, "4h") == 0 and state(office, made.id) == "planned"
    stage.person("late")
    stage.restart()  # what waits is in the database
    assert goes_on(office, stage, "1h") == 1
    begun = launches.find(office, "sale", made.id)
    assert (begun.state, begun.size, begun.started_at) == ("running", 4, stage.clock.now())
    assert goes_on(office, stage, "1m") == 4
    assert goes_on(office, stage, "1h") == 4 and state(office, made.id) == "done"


def test_two_processes_begin_a_launch_once(stage, office, monkeypatch):
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    other = directly(stage.beside(stage.db))
    divide = launches.launch_parts.divide

    def while_the_other_begins(*told):
        monkeypatch.setattr(launches.launch_parts, "divide", divide)
        launch_dates.go_on(other)
        return divide(*told)

    monkeypatch.setattr(launches.launch_parts, "divide", while_the_other_begins)
    assert goes_on(office, stage, "1h") == 3 and goes_on(office, stage, "1m") == 3
    assert [each.id for each in launches.listing(office, "sale", before=99, limit=9)] == [made.id]


def test_a_planned_launch_is_given_another_date_or_called_off(stage, office):
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    off = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    launch_dates.change(office, "sale", made.id, Told(ALL, after(stage, 3)))
    assert launches.stop(office, "sale", off.id).state == "stopped"
    assert goes_on(office, stage, "2h") == 0
    assert goes_on(office, stage, "1h") == 3
    for each in (made.id, off.id):
        with pytest.raises(Conflict):
            launch_dates.change(office, "sale", each, Told(ALL, after(stage, 9)))


def test_a_launch_that_was_changed_while_it_was_about_to_begin_does_not(stage, office, monkeypatch):
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    divide = launches.launch_parts.divide

    def while_somebody_changes_it(*told):
        launch_dates.change(office, "sale", made.id, Told(ALL, after(stage, 3)))
        return divide(*told)

    monkeypatch.setattr(launches.launch_parts, "divide", while_somebody_changes_it)
    assert goes_on(office, stage, "1h") == 0 and state(office, made.id) == "planned"


def test_a_launch_that_was_called_off_while_it_was_about_to_begin_does_not(stage, office, monkeypatch):
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    divide = launches.launch_parts.divide

    def while_somebody_calls_it_off(*told):
        launches.stop(office, "sale", made.id)
        return divide(*told)

    monkeypatch.setattr(launches.launch_parts, "divide", while_somebody_calls_it_off)
    assert goes_on(office, stage, "1h") == 0 and state(office, made.id) == "stopped"


def test_a_launch_that_waits_for_its_canary_does_not_begin_again(stage, office):
    for n in range(3, 210):  # a canary has two hundred people at least
        stage.person(f"p{n}")
    launch_dates.plan(office, "sale", Told(ALL, after(stage, 1), canary="10%"))
    with stage.db.read() as tx:
        (stale,) = planned(tx)  # as another process has read it
    first = goes_on(office, stage, "1h")
    assert first == 200
    with stage.db.write() as tx:
        assert not end(tx, stale, BEGUN)
    assert goes_on(office, stage, "1m") == first


@pytest.mark.parametrize(("hours", "sent"), [(10, 3), (14, 0)])
def test_a_paused_cascade_lets_its_launch_wait_as_long_as_a_step_may_be_late(stage, office, hours, sent):
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    stage.pause(1)
    goes_on(office, stage, "1h")
    assert goes_on(office, stage, f"{hours}h") == 0
    assert missed(office) == (["Cascade 'sale' is paused: resume it first."] if not sent else [])
    stage.pause(1, cascades.ACTIVE)
    assert goes_on(office, stage, "1m") == sent
    if not sent:
        launch_dates.change(office, "sale", made.id, Told(ALL, after(stage, 1)))
        assert not missed(office)
        assert goes_on(office, stage, "1h") == 3


def test_a_launch_while_nothing_ran_for_too_long_is_missed_and_told_of(stage, office):
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    assert goes_on(office, stage, "14h") == 0
    assert state(office, made.id) == "missed" and missed(office) == ["Nothing ran at its time."]
    launches.stop(office, "sale", made.id)
    assert not missed(office)


def test_a_launch_of_a_cascade_that_was_stopped_never_begins(stage, office):
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    stage.pause(1, cascades.STOPPED)
    assert goes_on(office, stage, "1h") == 0
    assert state(office, made.id) == "missed" and not missed(office), "whoever stopped it knows"


def test_a_list_stays_while_a_launch_waits_for_its_date(stage, office):
    with stage.db.write() as tx:
        list_id = cascades.save_list(tx, "vip")
        cascades.add_members(tx, list_id, [1, 2])
    made = launch_dates.plan(office, "sale", Told(Audience(list="vip"), after(stage, 1)))
    remedy = "call it off by `kaskad launch sale --stop launch_1`"
    with pytest.raises(Conflict, match=f"'vip' is used by launch_1 of 'sale': .* {remedy}"):
        delete(office, "vip")
    assert goes_on(office, stage, "1h") == 2 and launches.find(office, "sale", made.id).size == 2


def test_a_launch_of_a_cascade_that_was_stopped_holds_no_list(stage, office):
    with stage.db.write() as tx:
        list_id = cascades.save_list(tx, "vip")
        cascades.add_members(tx, list_id, [1, 2])
    launches.begin(office, "sale", Audience(list="vip"), "1/h")
    with pytest.raises(Conflict):
        delete(office, "vip")
    stage.pause(1, cascades.STOPPED)
    delete(office, "vip")


def test_a_segment_stays_while_a_launch_to_it_waits_for_its_date(stage, office):
    segments.put(office, "lucky", 'contact.external_id == "p1"')
    one = launch_dates.plan(office, "sale", Told(Audience(segment="lucky"), after(stage, 24)))
    with pytest.raises(Conflict, match="sale \\(launch_1\\)"):
        segments.delete(office, "lucky")
    launches.stop(office, "sale", one.id)
    segments.delete(office, "lucky")


def test_each_enters_when_it_is_the_hour_by_their_own_clock(stage, office):
    stage.person("east", zone="Asia/Vladivostok")  # ten hours before UTC
    stage.person("west", zone="America/New_York")
    stage.person("nowhere", zone=None)  # by the brand's
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True, pace="60/m"))
    assert goes_on(office, stage, "9h") == 0 and state(office, made.id) == "running"
    assert goes_on(office, stage, "61m") == 1
    stage.restart()
    assert goes_on(office, stage, "9h") == 1
    assert goes_on(office, stage, "1h") == 5
    assert [parcel.contact_id for parcel in stage.parcels][:1] == [4]
    assert state(office, made.id) == "running"
    assert goes_on(office, stage, "5h") == 6
    assert stage.parcels[-1].contact_id == 5 and state(office, made.id) == "done"


def test_a_pace_is_counted_anew_for_each_hour_of_a_launch(stage, office):
    stage.person("east", zone="Asia/Vladivostok")
    launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True, pace="1/m"))
    assert goes_on(office, stage, "9h") == 0
    assert goes_on(office, stage, "10h") == 1
    assert goes_on(office, stage, "61m") == 3
    sent = sorted(parcel.contact_id for parcel in stage.parcels)
    assert sent == [1, 2, 4], "the three whose hour it became a minute ago enter one a minute"


@pytest.mark.parametrize("kept", ["east", "west"])
def test_who_becomes_one_with_somebody_of_another_hour_enters_once(stage, office, kept):
    stage.cascade(CASCADE.replace("class: service", "class: service\nreentry: restart"))
    people = of_two_hours(stage)
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True))
    assert goes_on(office, stage, "10h") == 1
    old = people["west" if kept == "east" else "east"]
    with stage.db.write() as tx:
        merging.merge(tx, stage.world, people[kept], old, "test", stage.clock.now())
    assert goes_on(office, stage, "11h") == 4
    assert goes_on(office, stage, "5h") == 4 and state(office, made.id) == "done"


@pytest.mark.parametrize("kept", ["east", "west"])
def test_who_became_one_with_somebody_else_enters_by_each_launch_of_a_version(stage, office, kept):
    stage.cascade(CASCADE.replace("class: service", "class: service\nreentry: restart"))
    people = of_two_hours(stage)
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True))
    assert goes_on(office, stage, "7h") == 0 and state(office, made.id) == "running"
    launches.begin(office, "sale", ALL)
    assert goes_on(office, stage, "1h") == 5
    old = people["west" if kept == "east" else "east"]
    with stage.db.write() as tx:
        merging.merge(tx, stage.world, people[kept], old, "test", stage.clock.now())
    assert goes_on(office, stage, "3h") == 6, "by the first of both hours"
    assert stage.parcels[-1].contact_id == people[kept]
    assert goes_on(office, stage, "20h") == 9 and state(office, made.id) == "done"


def test_who_becomes_one_with_somebody_of_the_same_hour_enters_once(stage, office):
    stage.cascade(CASCADE.replace("class: service", "class: service\nreentry: restart"))
    launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True, pace="1/m"))
    assert goes_on(office, stage, "8h") == 0
    assert goes_on(office, stage, "12h") == 1
    with stage.db.write() as tx:
        merging.merge(tx, stage.world, 3, 1, "test", stage.clock.now())
    assert goes_on(office, stage, "1h") == 2


@pytest.mark.parametrize("ends", ["launch", "cascade", "by itself"])
def test_lists_by_hour_go_when_their_launch_is_over(stage, office, ends):
    stage.person("east", zone="Asia/Vladivostok")
    stage.person("west", zone="America/New_York")
    create(office, "vip")
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True))
    assert goes_on(office, stage, "7h") == 0
    goes_on(office, stage, "4h")
    assert len(lists_of(office)) == 4
    if ends == "launch":
        launches.stop(office, "sale", made.id)
    elif ends == "cascade":
        stage.pause(1, cascades.STOPPED)
    goes_on(office, stage, "20h")
    launch_dates.go_on(office)
    assert lists_of(office) == ["vip"]


def test_a_list_by_hour_that_another_process_has_forgotten_is_no_other_list(stage, office):
    stage.person("east", zone="Asia/Vladivostok")
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True))
    goes_on(office, stage, "11h")
    launches.stop(office, "sale", made.id)
    with stage.db.read() as tx:
        ended = ended_parts(tx)
    launch_dates.go_on(office)
    again = create(office, "vip")
    assert again.id in {list_id for _, list_id in ended}, "the id is free"
    for launch_id, list_id in ended:
        with stage.db.write() as tx:
            assert not drop_part(tx, launch_id, list_id, 9)
    assert lists_of(office) == ["vip"]


def test_lists_that_a_launch_makes_for_itself_are_not_chosen_from(stage, office):
    for n in range(3, 210):  # a canary has two hundred people at least
        stage.person(f"p{n}")
    create(office, "vip")
    launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True))
    launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), canary="10%"))
    goes_on(office, stage, "21h")
    assert {name.partition(" of ")[0] for name in lists_of(office)} == {"canary", "hours", "vip"}
    assert to_choose(office, 9) == ["vip"]


def test_who_waits_for_their_hour_never_enters_once_the_launch_is_stopped(stage, office):
    stage.person("east", zone="Asia/Vladivostok")
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 20), own_clock=True))
    assert goes_on(office, stage, "9h") == 0
    assert goes_on(office, stage, "2h") == 1
    launches.stop(office, "sale", made.id)
    assert goes_on(office, stage, "20h") == 1


@pytest.mark.parametrize(
    ("at", "begins"),
    [("2025-03-30T02:30", "2025-03-30T01:30"),  # the clock goes from 2:00 to 3:00: at 3:30
     ("2025-10-26T02:30", "2025-10-26T00:30")],  # twice: the first
)  # fmt: skip
def test_a_date_that_a_clock_leaves_out_or_shows_twice(stage, office, at, begins):
    policy.change(office, {"zone": "Europe/Berlin"})
    stage.clock.at = int(datetime.fromisoformat("2025-03-29T12:00+00:00").timestamp()) * 1000
    made = launch_dates.plan(office, "sale", Told(ALL, at))
    assert made.started_at == int(datetime.fromisoformat(begins + "+00:00").timestamp()) * 1000


@pytest.mark.parametrize(
    ("hours", "changes", "where"),
    [(-1, {}, "/at"), (24 * 400, {}, "/at"), (1, {"canary": "1%", "own_clock": True}, "/canary"),
     (1, {"pace": "quick"}, "/pace"), (1, {"at": "tomorrow"}, "/at"), (1, {"at": "2026-12-04"}, "/at"),
     (1, {"at": "2026-12-04T10:00Z"}, "/at")],
)  # fmt: skip
def test_what_a_planned_launch_cannot_be_is_refused(stage, office, hours, changes, where):
    with pytest.raises(Invalid) as refused:
        launch_dates.plan(office, "sale", Told(ALL, **{"at": after(stage, hours), **changes}))
    assert refused.value.pointers == (where,)


def lists_of(office: Office) -> list[str]:
    with office.read() as tx:
        return lists.names(tx, limit=99)


def test_a_launch_that_is_called_off_between_two_statements_of_its_beginning_stays_so(
    stage, office, monkeypatch
):
    """By another process, on PostgreSQL: on SQLite nobody writes between them."""
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1), pace="1/h"))
    other, real = directly(stage.beside(stage.db)), launches.dates.begin
    calling = ThreadPoolExecutor(1)
    said: list[Future] = []

    def while_somebody_calls_it_off(*told):
        said.append(calling.submit(launches.stop, other, "sale", made.id))
        wait(said, 0.5)
        return real(*told)

    monkeypatch.setattr(launches.dates, "begin", while_somebody_calls_it_off)
    goes_on(office, stage, "1h")
    assert said[0].result(30).state == "stopped" and state(office, made.id) == "stopped"


@pytest.mark.parametrize("own_clock", [False, True])
def test_a_launch_that_cannot_begin_leaves_no_lists_behind(stage, office, monkeypatch, own_clock):
    segments.put(office, "all", "not contact.silent")
    launch_dates.plan(office, "sale", Told(Audience(segment="all"), after(stage, 1), own_clock=own_clock))

    def fails(*_, **__):
        raise KeyError("step")

    monkeypatch.setattr(launches.dates, "begin", fails)
    for _ in range(3):
        goes_on(office, stage, "1h")
    assert lists_of(office) == []
    monkeypatch.undo()
    goes_on(office, stage, "1m")
    assert len(lists_of(office)) == (2 if own_clock else 1)


def test_a_cascade_whose_steps_may_be_a_month_late_waits_as_long_for_its_launch(stage, office):
    stage.cascade(CASCADE.replace("class: service", "class: service\nmax_lateness: 1mo"))
    made = launch_dates.plan(office, "sale", Told(ALL, after(stage, 1)))
    assert goes_on(office, stage, "29d") == 3 and state(office, made.id) == "done"
