"""Short links of texts and messengers: the row comes with the message, moves, expires and goes."""

from __future__ import annotations

import re

from msgspec import structs

from kaskad.domain.policy import Brand, LinkParameters, Policy
from kaskad.engine import catalog, merging
from kaskad.engine.catalog import POLICY
from kaskad.engine.ingest import Ingest
from kaskad.engine.retention import Keeping
from kaskad.engine.world import Options
from kaskad.store import erasures, settings
from kaskad.store.db import Database
from kaskad.store.marks import Marks
from support.stage import VAULT, Stage

LINKS = """
cascade: links
title: Links
class: service
topic: carts
trigger: {event: left, key: cart_id}
steps:
  - {id: letter, channel: email, subject: Cart, html: "<a href='https://shop.example.org/m'>b</a>", wait: 1h}
  - id: text
    channel: sms
    text: "Cart {{ link('https://shop.example.org/a') }} or {{ link('https://shop.example.org/b') }}"
    wait: 1h
  - {id: chat, channel: telegram, text: "{{ link('https://shop.example.org/c') }}", wait: 1h}
"""
SHORT = re.compile(r"https://s\.example\.org/s/([0-9A-Za-z]{11})\b")


def test_short_links_lead_expire_move_and_go_with_their_person(either: Database):
    stage = Stage(either, options=Options("https://go.example.org", link_url="https://s.example.org"))
    stage.cascade(LINKS)
    ann, anna = stage.person("ann"), stage.person("anna")
    stage.event(ann, "left", cart_id=1)
    stage.event(anna, "left", cart_id=2)
    stage.passes("3h")
    intake = Ingest(stage.engine, either)
    by = {(p.contact_id, p.step): p.outgoing for p in stage.parcels}
    assert "https://go.example.org/l/" in by[ann, 0].html and "/s/" not in by[ann, 0].html
    codes = SHORT.findall(by[ann, 1].text)
    assert (
        len(codes) == 2
        and len(by[ann, 1].text) == len("Cart  or ") + 2 * len("https://s.example.org/s/") + 22
    )
    run = stage.run(ann).id
    assert [intake.short_link(code) for code in codes] == [(ann, run, 1, 0), (ann, run, 1, 1)]
    assert intake.destination(ann, run, 1, 1) == "https://shop.example.org/b"
    (chat,) = SHORT.findall(by[ann, 2].text)
    assert intake.short_link(chat) == (ann, run, 2, 0)
    mine = set(SHORT.findall(by[anna, 1].text))
    assert not mine & set(codes)

    with either.write() as tx:  # two contacts that are one person
        merging.merge(tx, stage.world, ann, anna, "test", stage.clock.now())
    moved = [intake.short_link(code) for code in sorted(mine)]
    assert {one[0] for one in moved if one} == {ann} and len({one[3] for one in moved if one}) == 2

    stage.clock.at += 90 * 86_400_000 + 4 * 3_600_000
    assert intake.short_link(codes[0]) is None
    with either.write() as tx:
        Keeping().run(tx, stage.clock.now())
        assert tx.run("drop_old_short_links", now=stage.clock.now(), limit=9) == 0  # all have gone

    stage.event(ann, "left", cart_id=3)
    stage.passes("3h")
    latest = SHORT.findall(stage.parcels[-1].outgoing.text)[0]
    assert intake.short_link(latest) is not None
    with either.write() as tx:
        assert erasures.erase(tx, ann, Marks([]), stage.clock.now()).counts["short links"] == 3
    assert intake.short_link(latest) is None


def test_without_a_domain_there_is_no_row_and_a_brand_has_its_own(db: Database):
    stage = Stage(db)
    stage.cascade(LINKS)
    ann = stage.person("ann")
    stage.event(ann, "left", cart_id=1)
    stage.passes("3h")
    assert "https://go.example.org/l/" in stage.parcels[-1].outgoing.text
    with db.write() as tx:
        assert tx.run("drop_old_short_links", now=10**15, limit=9) == 0
    stage.cascade(LINKS.replace("cascade: links", "cascade: own\nbrand: kz\nutm: {source: own}"))
    brand = Brand("kz", "https://s.kz.example.org", LinkParameters(term="kz"))
    with db.write() as tx:
        settings.put(tx, POLICY, structs.replace(Policy.unlimited(), brands=(brand,)))
        catalog.load(tx, VAULT, stage.world)
    assert stage.world.link_hosts == {b"s.kz.example.org"}
    stage.event(stage.person("bob"), "left", cart_id=2)
    stage.passes("3h")
    own = [p.outgoing.text for p in stage.parcels if "s.kz.example.org/s/" in p.outgoing.text]
    assert len(own) == 2, "the SMS and the chat of the brand's cascade, and no other"
    intake = Ingest(stage.engine, db)
    leads = intake.short_link(own[1].partition("/s/")[2])
    assert leads is not None
    assert intake.destination(*leads) == "https://shop.example.org/c?utm_source=own&utm_term=kz"
