"""What may happen in a history, each with how often it does. All details are drawn from `life.draw`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from kaskad.actions import (
    canaries,
    cascades,
    erasure,
    launches,
    migrating,
    step_holds,
    trials,
    version_canaries,
    watching,
)
from kaskad.actions.audience import Audience
from kaskad.actions.canaries import Wanted
from kaskad.domain.errors import Conflict, Invalid, NotFound
from kaskad.domain.event import EventIn
from kaskad.domain.terms import Channel, Disposition, Kind
from kaskad.engine import agents, merging
from kaskad.engine.arrival import Arrival
from kaskad.engine.receive import Delivery, InboundIn
from kaskad.engine.world import Options
from kaskad.store import contacts
from kaskad.store import tasks as task_store
from kaskad.store.tasks import Task
from kaskad.store.tasks import Wanted as WantedTasks
from support.histories.life import MODES, PRICE, ZONES, Life
from support.histories.texts import ADVERTISING, text_of
from support.scenarios import DESK
from support.stage import HASH_KEY

Act = Callable[[Life], None]
ACTS: dict[Act, int] = {}
SPANS = ("1s", "11s", "1m", "2m", "20m", "1h", "2h", "5h", "PT26H", "P3D")
KINDS = (
    Kind.DELIVERED, Kind.DELIVERED, Kind.OPENED, Kind.OPENED, Kind.READ, Kind.CLICKED, Kind.REPLIED,
    Kind.FAILED, Kind.BOUNCED, Kind.EXPIRED, Kind.UNSUBSCRIBED, Kind.COMPLAINED,
    Kind.MACHINE_OPENED, Kind.SUSPECTED_CLICKED,
)  # fmt: skip
VALUES = {
    Kind.REPLIED: ('{"text": "ok"}', '{"text": "стоп"}', '{"text": "stop"}', None),
    Kind.FAILED: (None, '{"reason": "invalid_address"}', '{"cost": 55}'),
    Kind.DELIVERED: (None, None, '{"cost": 77}'),
}
REFUSED = (Conflict, Invalid, NotFound)  # what the actions say to whoever asks for what cannot be


def often(weight: int) -> Callable[[Act], Act]:
    """Let an act happen with this weight among all."""

    def known(act: Act) -> Act:
        ACTS[act] = weight
        return act

    return known


# What people and the shop do


def told(life: Life) -> EventIn:
    draw = life.draw
    who, name = draw.choice(life.people), draw.choice(["left", "left", "seen", "seen", "bought", "refund"])
    again = f"same-{name}-{who}" if draw.random() < 0.25 else ""
    return life.stage.told(
        who, name, ago=draw.choice(["0s", "0s", "0s", "1m", "3h"]), id=again or f"event-{life.next_number()}",
        cart_id=draw.randint(1, 2), thing=draw.randint(1, 3), amount=draw.randint(1, 50),
    )  # fmt: skip


def arrivals(life: Life, most: int) -> list[Arrival]:
    """Draw what is told about some of the last messages."""
    parcels, draw, found = life.stage.parcels[-12:], life.draw, list[Arrival]()
    for _ in range(draw.randint(1, most) if parcels else 0):
        parcel, kind = draw.choice(parcels), draw.choice(KINDS)
        key = life.key(parcel)
        value, ago = draw.choice(VALUES.get(kind, (None,))), draw.choice([0, 0, 1_000, 3_600_000])
        if kind in (Kind.FAILED, Kind.BOUNCED, Kind.EXPIRED):
            life.failures[key] += 1
        found.append(
            Arrival(
                parcel.contact_id,
                parcel.run_id,
                parcel.step,
                kind.value,
                f"r{life.next_number()}",
                life.now() - ago,
                value,
            )
        )
    return found


def refuse_advertising(life: Life, found: list[Arrival]) -> None:
    """Note whom what was taken keeps from advertising."""
    for one in found:
        slug, channel = life.place(one)
        if one.kind in (Kind.UNSUBSCRIBED.value, Kind.COMPLAINED.value) and slug in ADVERTISING:
            life.takes_no_advertising(life.current(one.contact_id), [channel])


def inbound(life: Life) -> InboundIn:
    who, text = life.draw.randrange(len(life.people)), life.draw.choice(["стоп", "START", "hello"])
    address = life.address(life.people[who])
    return InboundIn(Channel.SMS, address, Kind.REPLIED, f"in{life.next_number()}", life.now(), text)


def hear(life: Life, word: InboundIn) -> None:
    """Note what is wanted by who has written."""
    (who,) = [one for one in life.people if life.address(one) == word.address]
    if word.text == "START":
        life.agrees_again(who)
    elif word.text == "стоп":
        life.takes_no_advertising(who, [Channel.SMS])


@often(14)
def something_is_told(life: Life) -> None:
    life.tells(life.some_stage(), events=[told(life)])
    life.works()


@often(12)
def a_receipt_comes(life: Life) -> None:
    found = arrivals(life, 1)
    life.tells(life.some_stage(), arrivals=found)
    refuse_advertising(life, found)
    life.works()


@often(6)
def much_comes_at_once(life: Life) -> None:
    """All in one delivery: to an engine, or to a process that only takes and leaves it in the inbox."""
    found = arrivals(life, 3)
    events = [told(life) for _ in range(life.draw.randint(0, 4))]
    words = [inbound(life)] if life.draw.random() < 0.3 else []
    to = life.some_stage()
    if life.draw.random() < 0.3:
        to = life.stage.beside(life.db, Options(base_url="https://go.example.org", moves=False))
    life.tells(to, arrivals=found, events=events, inbound=words)
    life.works()
    refuse_advertising(life, found)
    for word in words:
        hear(life, word)


@often(2)
def all_is_told_again(life: Life) -> None:
    """Services and shops tell in any order what they have told before: nothing comes of it."""
    life.works()
    known = [one for one in life.told if life.whom(one) not in life.erased]  # its numbers are forgotten
    told, before = life.draw.sample(known, k=min(60, len(known))), life.standing()
    for one in told:
        life.some_stage().deliver(**one)
    life.works()
    for table, rows in life.standing().items():
        now = [row for row in rows if row not in before[table]]
        was = [row for row in before[table] if row not in rows]
        assert not now and not was, f"what was told again has changed {table}: {was} to {now}"


@often(4)
def a_person_writes(life: Life) -> None:
    word = inbound(life)
    life.tells(life.some_stage(), inbound=[word])
    hear(life, word)
    life.works()


@often(2)
def an_import_tells_of_people(life: Life) -> None:
    """New people, known ones who have moved, others who agree or do not."""
    draw, who = life.draw, life.draw.choice(life.people)
    agreed = draw.choice([None, None, True, False])
    consents = [contacts.Consent(granted=agreed, at=life.now(), proof="{}")] if agreed is not None else []
    life.moved.add(who)
    kept = contacts.Contact(id=who, zone=draw.choice(ZONES), consents=consents,
                            attributes={"birthday": life.birthday()})  # fmt: skip
    life.office.write(lambda tx: contacts.upsert(tx, HASH_KEY, [kept], life.now()))
    if agreed:
        life.agrees_again(who)
    elif agreed is False:
        life.takes_no_advertising(who, list(Channel))
    if len(life.people) < 9:
        life.people.append(life.person(f"n{life.next_number()}"))
    life.works()


def left_carts(life: Life, first: int, second: int) -> None:
    """One leaves a cart, and another one does the same once the first has been sent what follows."""
    for who, span in ((first, "P3D"), (second, "1m")):
        event = life.stage.told(who, "left", id=f"event-{life.next_number()}", cart_id=1)
        life.tells(life.some_stage(), events=[event])
        life.passes(span)


@often(1)
def two_turn_out_to_be_one(life: Life) -> None:
    kept, old = life.draw.choice(life.people), life.draw.choice(life.people)
    if kept == old:
        return
    if life.draw.random() < 0.5:  # what the first was sent of their cart, the other passes over
        left_carts(life, old, kept)
    life.works()
    try:
        life.office.write(lambda tx: merging.merge(tx, life.stage.world, kept, old, "test", life.now()))
    except Conflict:
        return
    life.becomes(old, kept)
    life.passes(life.draw.choice(SPANS))


@often(1)
def somebody_is_erased(life: Life) -> None:
    if len(life.people) > 1:
        who = life.people.pop(life.draw.randrange(len(life.people)))
        erasure.erase(life.office, f"con_{who}", "test")
        life.erased.add(who)
        life.takes_no_advertising(who, list(Channel))
        life.works()


@often(1)
def a_run_is_cancelled(life: Life) -> None:
    live = life.rows("SELECT contact_id, id FROM runs WHERE outcome IS NULL ORDER BY contact_id, id")
    if live:
        contact_id, run_id = life.draw.choice(live)
        life.office.tell([Arrival(contact_id, run_id, -1, Kind.CANCELLED.value, "c", life.now())])
        ended = f"SELECT outcome FROM runs WHERE contact_id = {contact_id} AND id = {run_id}"
        assert life.rows(ended)[0][0] is not None, "a run was cancelled and goes on"
        life.works()


# Time, processes and providers


@often(14)
def time_passes(life: Life) -> None:
    life.passes(life.draw.choice(SPANS))


@often(2)
def all_stand_still(life: Life) -> None:
    life.stage.sleeps(life.draw.choice(SPANS))
    life.works()


@often(1)
def the_clock_is_set_back(life: Life) -> None:
    life.stage.clock.at -= life.draw.choice([1_000, 60_000, 3_600_000])
    life.works()


@often(2)
def a_process_restarts(life: Life) -> None:
    life.restarts(life.some_stage(), answers_lost=life.draw.random() < 0.7)


@often(1)
def a_process_is_killed_after_a_tick(life: Life) -> None:
    """It has committed one tick; what it handed over and what answers came is known to nobody."""
    stage = life.some_stage()
    stage.engine.deliver(Delivery(Future(), events=[told(life)]))
    stage.engine._work()
    life.restarts(stage, answers_lost=True)


@often(6)
def the_provider_changes(life: Life) -> None:
    life.mode = life.draw.choice(MODES)


@often(4)
def an_answer_comes_late(life: Life) -> None:
    life.answers_late()


@often(1)
def a_price_changes(life: Life) -> None:
    channel = life.draw.choice([Channel.SMS, Channel.EMAIL])
    prices = {**PRICE, "minor": life.draw.choice([0, 50, 100, 300])}
    life.stage.account(channel, channel.value, **{**life.own, "prices": prices})
    life.works()


# What marketers do


@often(2)
def a_cascade_is_paused(life: Life) -> None:
    slug = life.draw.choice(life.slugs)
    cascades.pause(life.office, slug)
    life.paused.setdefault(slug, len(life.stage.parcels))
    life.works()


@often(3)
def cascades_go_on(life: Life) -> None:
    for slug in sorted(life.paused):
        cascades.resume(life.office, slug)
    life.paused.clear()
    life.works()


@often(2)
def a_step_is_paused(life: Life) -> None:
    slug, step = life.draw.choice(life.slugs), life.draw.choice(["sms", "letter", "chat"])
    with suppress(*REFUSED):
        step_holds.pause(life.office, slug, step, skip=life.draw.random() < 0.4)
        life.held[slug, step] = len(life.stage.parcels)
    life.works()


@often(3)
def paused_steps_go_on(life: Life) -> None:
    for slug, step in sorted(life.held):
        with suppress(Conflict):
            step_holds.resume(life.office, slug, step)
    life.held.clear()
    life.works()


def next_text(life: Life, slug: str) -> str:
    life.budgets[slug] = life.draw.choice([life.budgets[slug], 2, 40])
    words, extra = f"v{life.next_number()}", life.draw.random() < 0.5
    return text_of(slug, words, budget=life.budgets[slug], extra=extra)


@often(2)
def a_version_is_activated(life: Life) -> None:
    slug = life.draw.choice(life.slugs)
    if slug not in life.paused:
        with suppress(*REFUSED):
            cascades.put(life.office, slug, next_text(life, slug))
            cascades.activate(life.office, slug)
        life.works()


@often(2)
def runs_go_on_in_the_latest_version(life: Life) -> None:
    slug = life.draw.choice(life.slugs)
    (latest,) = life.rows(
        f"SELECT max(number) FROM versions v JOIN cascades c ON c.id = v.cascade_id WHERE slug = '{slug}'"
    )
    with suppress(*REFUSED):
        migrating.migrate(life.office, slug, latest[0], {}, dry_run=False)
    life.works()


@often(2)
def a_trial_begins_or_ends(life: Life) -> None:
    slug, act = life.draw.choice(life.slugs), life.draw.choice(["start", "start", "end", "promote"])
    text, number = next_text(life, slug), life.draw.randint(1, 3)
    with suppress(*REFUSED):
        if act == "start":
            cascades.put(life.office, slug, text)
            trials.start(life.office, slug, {trials.NEXT: life.draw.choice([2_000, 5_000])})
        elif act == "promote":
            trials.promote(life.office, slug, number)
        else:
            trials.end(life.office, slug)
    life.works()


@often(2)
def a_canary_begins_or_ends(life: Life) -> None:
    slug, act = life.draw.choice(life.slugs), life.draw.choice(["begin", "begin", "stop", "pass"])
    text = next_text(life, slug)
    with suppress(*REFUSED):
        if act == "begin":
            cascades.put(life.office, slug, text)
            version_canaries.begin(life.office, slug, Wanted(5_000, 3_600_000), people=2)
        elif act == "stop":
            version_canaries.stop(life.office, slug)
        else:
            version_canaries.let_pass(life.office, slug)
    life.works()


@often(3)
def the_watch_looks(life: Life) -> None:
    version_canaries.go_on(life.office)
    canaries.go_on(life.office)
    watching.look(life.office)
    life.works()


@often(3)
def a_launch_begins(life: Life) -> None:
    """To all, or to whom a segment holds: at once, or so many an hour, with a canary or without."""
    draw, slug = life.draw, life.draw.choice(["sale", "buyers"])
    pace, canary = draw.choice(["", "", "1/h", "3/h"]), draw.choice([None, None, Wanted(5_000, 3_600_000)])
    audience = draw.choice([Audience(everybody=True), Audience(segment="buyers")])
    with suppress(*REFUSED):
        launches.begin(life.office, slug, audience, pace, canary)
    life.works()


@often(1)
def a_launch_is_stopped(life: Life) -> None:
    found = life.rows("SELECT c.slug, l.id FROM launches l JOIN versions v ON v.id = l.version_id"
                      " JOIN cascades c ON c.id = v.cascade_id ORDER BY l.id")  # fmt: skip
    if found:
        with suppress(*REFUSED):
            launches.stop(life.office, *life.draw.choice(found))
    life.works()


# What agents do


def live_tasks(life: Life) -> list[Task]:
    with life.db.read() as tx:
        return [one for one in task_store.after(tx, WantedTasks(states=(0, 4)), None, 100) if one.live]


@often(3)
def an_agent_takes_a_call(life: Life) -> None:
    life.office.write(lambda tx: agents.claim(tx, life.stage.world, "eva", life.now()))
    life.works()


@often(3)
def an_agent_calls(life: Life) -> None:
    taken = [one for one in live_tasks(life) if one.agent == "eva"]
    if not taken:
        return
    key, now = taken[0].key, life.now()
    told = life.office.write(lambda tx: agents.dial(tx, life.stage.world, key, "eva", now))
    if told.number:
        (run,) = life.rows(f"SELECT outcome FROM runs WHERE contact_id = {key[0]} AND id = {key[1]}")
        assert run[0] is None, "an agent calls about a run that has ended"
    if life.draw.random() < 0.7:
        how = life.draw.choice(list(Disposition))
        back = now + 7_200_000 if how is Disposition.CALLBACK_AT else 0
        life.office.write(
            lambda tx: agents.close(tx, life.stage.world, key, "eva", how, now, call_back_at=back)
        )
    life.works()


@often(1)
def the_desk_has_other_agents(life: Life) -> None:
    settings = {**DESK, "agents": life.draw.choice(["1", "3"])}
    life.stage.account(Channel.AGENT_CALL, "agent_call", provider="desk", prices=PRICE, settings=settings)
    life.works()
