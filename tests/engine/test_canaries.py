"""Some of a launch go first; the rest follows by itself if they fared well, and waits for a person if not."""

from concurrent.futures import Future

import pytest

from kaskad.actions import canaries, hindsight, launches
from kaskad.actions.alarms import alarms
from kaskad.actions.audience import Audience
from kaskad.actions.canaries import Wanted, wanted
from kaskad.actions.office import Office
from kaskad.analytics import changed
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.terms import Kind
from kaskad.store import cascades
from support.stage import VAULT, Stage

CASCADE = """
cascade: sale
class: service
trigger: {broadcast: all}
reentry: restart
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 6h}
"""
PEOPLE = 40


def directly(stage: Stage) -> Office:
    """Return an office whose writes are done at once, without the engine's thread."""

    def write(change, *, synced=True):
        done = Future()
        with stage.db.write(synced=synced) as tx:
            done.set_result(change(tx))
        return done

    stage.engine.write = write  # type: ignore[method-assign]
    return Office(stage.db, VAULT, stage.engine, stage.world.signer, "https://go.example.org")


@pytest.fixture
def office(stage, monkeypatch) -> Office:
    monkeypatch.setattr(canaries, "LEAST", 10)
    stage.cascade(CASCADE)
    for n in range(PEOPLE):
        stage.person(f"p{n}")
    return directly(stage)


def begin(office: Office, stage: Stage) -> int:
    """Launch for everybody with a canary of ten, and let these be written to."""
    begun = launches.begin(office, "sale", Audience(everybody=True), canary=Wanted(100))
    assert (begun.size, begun.canary) == (PEOPLE, 10)
    stage.works()
    canaries.go_on(office)  # all are in: their time begins
    assert len(stage.parcels) == 10
    return begun.id


def state(office: Office, launch_id: int) -> tuple[str, str, str]:
    canary = launches.canaries_of(office, "sale")[launch_id]
    return canary.state, launches.find(office, "sale", launch_id).state, canary.why


def test_a_canary_that_fares_well_lets_the_rest_go_and_nobody_is_written_to_twice(stage, office):
    began = stage.clock.now()
    launch_id = begin(office, stage)
    first = {parcel.contact_id for parcel in stage.parcels}
    assert first != set(range(1, 11))  # drawn, and not the oldest contacts
    stage.passes("5h")
    canaries.go_on(office)
    assert state(office, launch_id)[:2] == ("running", "paused")
    stage.receipt(next(iter(first)), Kind.BOUNCED)  # one may, of ten
    stage.passes("2h")
    canaries.go_on(office)
    assert state(office, launch_id) == (
        "passed",
        "running",
        "complaints 0/9, opt_outs 0/9, bounces 1/10, failures 1/10",
    )
    canaries.go_on(office)
    stage.passes("1h")
    assert len(stage.parcels) == PEOPLE
    assert len({parcel.contact_id for parcel in stage.parcels}) == PEOPLE  # though who enters again restarts
    (told,) = hindsight.of_cascade(office, "sale")
    happened = {one.figure: one.happened for one in told.figures}
    assert told.started_at == began and happened["entered"] == PEOPLE, "the first part is of the launch"
    with pytest.raises(Conflict):
        launches.go(office, "sale", launch_id)


def test_a_canary_that_fares_badly_stops_until_a_person_lets_the_rest_go(stage, office):
    launch_id = begin(office, stage)
    for parcel in list(stage.parcels)[:4]:
        stage.receipt(parcel.contact_id, Kind.BOUNCED)
    stage.passes("7h")
    canaries.go_on(office)
    assert state(office, launch_id) == (
        "stopped", "paused", "bounces: 4 of 10 messages, 40 %; the bound is 5 %",
    )  # fmt: skip
    assert ("canary", "sale") in [(each.kind, each.name) for each in alarms(office)]
    stage.passes("2h")
    assert len(stage.parcels) == 10
    launches.go(office, "sale", launch_id)
    stage.passes("1h")
    assert len(stage.parcels) == PEOPLE and state(office, launch_id)[:2] == ("released", "done")
    assert "canary" not in [each.kind for each in alarms(office)]


@pytest.mark.parametrize("bad", [0, 4])
def test_a_canary_is_judged_in_time_by_what_came_last_however_much_is_to_be_counted(
    stage, office, monkeypatch, bad
):
    monkeypatch.setattr(stage, "_is_counted", lambda: None)  # so busy that nothing of it ever is …
    monkeypatch.setattr(changed, "CORRECTED", 3)  # … nor few enough to be looked at by reports
    launch_id = begin(office, stage)
    for parcel in list(stage.parcels)[:bad]:
        stage.receipt(parcel.contact_id, Kind.BOUNCED)
    stage.passes("7h")
    canaries.go_on(office)
    why = "bounces: 4 of 10 messages, 40 %; the bound is 5 %" if bad else (
        "complaints 0/10, opt_outs 0/10, bounces 0/10, failures 0/10"
    )  # fmt: skip
    assert state(office, launch_id) == ("stopped" if bad else "passed", "paused" if bad else "running", why)


def test_nothing_is_concluded_before_they_were_written_to_and_small_launches_just_begin(stage, office):
    stage.answer = lambda parcel: None  # the provider is silent
    with stage.db.write() as tx:
        few = cascades.save_list(tx, "few")
        cascades.add_members(tx, few, [1, 2, 3])
    assert launches.begin(office, "sale", Audience(list="few"), canary=Wanted(100)).canary == 0
    stage.works()
    begun = launches.begin(office, "sale", Audience(everybody=True), canary=Wanted(100, after_ms=1_000))
    stage.works()
    canaries.go_on(office)
    stage.clock.at += 60_000
    canaries.go_on(office)
    assert state(office, begun.id)[:2] == ("running", "paused")
    launches.stop(office, "sale", begun.id)
    canaries.go_on(office)
    assert state(office, begun.id)[:2] == ("stopped", "stopped")


def test_nothing_is_learnt_of_nothing(stage, office):
    for account in list(stage.world.accounts.values()):  # every step is passed over
        stage.account(account.channel, account.name, enabled=False)
    begun = launches.begin(office, "sale", Audience(everybody=True), canary=Wanted(100, after_ms=1_000))
    stage.works()
    canaries.go_on(office)
    stage.clock.at += 60_000
    canaries.go_on(office)
    assert state(office, begun.id) == ("stopped", "paused", "nothing was sent to the first part")


@pytest.mark.parametrize(
    ("share", "after"), [("1", ""), ("0%", ""), ("100%", ""), ("x%", ""), ("1%", "soon"), ("", "6h")]
)
def test_what_is_no_canary_is_refused(share, after):
    with pytest.raises(Invalid):
        wanted(share, after)
    assert wanted("", "") is None
    assert wanted("0,5 %", "90m") == Wanted(50, 5_400_000)
