"""Channels that are learnt, on the real engine: drawn by chances that are kept, counted in their time."""

from kaskad.actions import learning, runs
from kaskad.domain.terms import Channel, Kind
from kaskad.store import erasures
from kaskad.store import learning as store
from support.marked import staged

TEXT = """cascade: news
title: News
class: service
trigger: {event: left}
reentry: {after_finish: 1h}
steps:
  - id: chat
    channel: [telegram, whatsapp, vk]
    text: Hello
    choose: {by: language, explore: 10%}
    wait: 6h
"""
BOTH = [Channel.TELEGRAM, Channel.WHATSAPP]
TG, WA = Channel.TELEGRAM.code, Channel.WHATSAPP.code


def channel_of(stage, contact):
    return next(p.outgoing.channel for p in reversed(stage.parcels) if p.contact_id == contact)


def test_a_channel_is_drawn_learnt_and_drawn_by_what_was_learnt(either):
    stage, office = staged(either)
    stage.cascade(TEXT)
    people = [stage.person(f"p{n}", BOTH, language="ru" if n % 2 else "kk") for n in range(40)]
    alone = stage.person("alone", [Channel.WHATSAPP])
    for contact in [*people, alone]:
        stage.event(contact, "left")
    first = {contact: channel_of(stage, contact) for contact in people}
    assert set(first.values()) == {Channel.TELEGRAM, Channel.WHATSAPP}
    version = stage.run(alone).version_id
    rows = stage.rows("choices_over", version_id=version, step=0, before=2**62, limit=99)
    assert len(rows) == 40 and all(row[0] != alone for row in rows), "who has one channel has no choice"
    assert {row[3] for row in rows} == {1 << TG | 1 << WA} and {row[5] for row in rows} == {5_000}
    assert {row[2] for row in rows} == {"ru", "kk"}
    for contact in people:
        if first[contact] is Channel.TELEGRAM:
            stage.receipt(contact, Kind.CLICKED)

    learning.renew(office)
    with either.read() as tx:
        assert not store.learnt(tx, version, 0), "nothing is counted before its time is over"
    stage.passes("7h")
    with either.write() as tx:  # an erased person's choice is gone
        assert ("choices of channels", "erase_choices") in erasures.OF_CONTACT
        tx.run("erase_choices", contact_id=people[0])
    assert learning.renew(office) == 1 and learning.renew(office) == 0
    with either.read() as tx:
        told = store.learnt(tx, version, 0)
    assert sum(one.choices for one in told) == 39
    assert all(one.hits == (one.choices if one.channel == TG else 0) for one in told)

    odds = stage.world.versions[version].chances[0]
    assert set(odds.odds) == {"", "ru", "kk"}
    assert dict(odds.of("ru", 1 << TG | 1 << WA))[TG] > 8_000 and odds.of("fr", 6) == odds.of("", 6)
    found = learning.listing(office, "news")
    arm = found[0].arms[0]
    assert (found[0].group, arm.channel, arm.chosen, arm.hits) == ("", "telegram", arm.hits, arm.hits)
    assert arm.weighed is not None and 0.5 < arm.weighed < 1.6 and found[0].arms[2].chosen == 0

    for contact in people:
        stage.event(contact, "left")
    again = [channel_of(stage, contact) for contact in people]
    assert again.count(Channel.TELEGRAM) >= 30
    rows = stage.rows("choices_over", version_id=version, step=0, before=2**62, limit=99)
    for row in rows:
        assert row[5] == dict(odds.of(row[2], row[3]))[row[4]], "each is kept with the chance it was drawn by"
    run = stage.run(people[1])
    drawn = runs.explain(office, (run.contact_id, run.id)).decisions[0].inputs["drawn"]
    chance = dict(odds.of("ru", 1 << TG | 1 << WA))[channel_of(stage, people[1]).code]
    assert drawn == {"chance": f"{chance / 100:g}%", "from": ["telegram", "whatsapp"], "group": "ru"}


def test_a_person_s_own_wish_comes_before_what_was_learnt(db):
    stage, _ = staged(db)
    stage.cascade(TEXT)
    for n in range(6):
        contact = stage.person(f"w{n}", BOTH)
        with db.write() as tx:
            tx.script(f"UPDATE addresses SET preferred = 1 WHERE contact_id = {contact} AND channel = {WA}")
        stage.event(contact, "left")
        assert channel_of(stage, contact) is Channel.WHATSAPP
