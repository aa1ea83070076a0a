"""A browser's subscription: bound by a link with its proof, renewed in place, on both databases."""

import pytest

from kaskad.domain.subscription import read_subscription
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.opt_in import Visit, make_link
from kaskad.engine.receive import Delivery
from kaskad.engine.subscriptions import Renewal
from kaskad.providers.base import Inbound
from kaskad.providers.vapid import new_key
from kaskad.store.contacts import Address, add_addresses
from support.browser import Browser
from support.stage import HASH_KEY, Stage

OLD, NEW = (Browser(f"https://fcm.googleapis.com/fcm/send/{name}").address for name in ("old", "new"))
EVIDENCE = {"page": "https://shop.example.org", "agent": "Firefox"}


@pytest.fixture
def stage(either):
    return Stage(either)


def account(stage):
    own, secrets = {"contact": "mailto:a@example.org"}, {"private_key": new_key()}
    number = stage.account(Channel.PUSH, "web", provider="webpush", settings=own, secrets=secrets)
    return stage.world.accounts[number]


def allowed(stage, number, address):
    """Let a browser follow the contact's link; return what is answered."""
    own, now = account(stage), stage.clock.now()
    with stage.db.write() as tx:
        token = make_link(tx, own, number, now, consent="Tell me").partition("#kaskad=")[2]
    told = Inbound(channel=Channel.PUSH, address=address, kind=Kind.STARTED, text=token, event="s")
    visit = Visit(own, told, now, HASH_KEY, EVIDENCE)
    acts(stage, visit)
    return visit.said


def acts(stage, act):
    stage.engine.deliver(Delivery(None, acts=[act]))
    stage.works()


def renewed(stage, old, new):
    act = Renewal(read_subscription(old), read_subscription(new), stage.clock.now(), HASH_KEY)
    acts(stage, act)
    return act.known


def health(stage, number):
    rows = stage.rows_among("look_addresses", [number])
    return {row[2]: row[3] for row in rows if row[1] == Channel.PUSH.code}


def lead(stage, name="ann"):
    return stage.person(name, [Channel.EMAIL], consented=False)


def test_a_browser_is_bound_with_its_evidence(stage):
    ann = lead(stage)
    assert allowed(stage, ann, OLD) == "done"
    assert health(stage, ann) == {OLD: 0}
    (consent,) = stage.rows_among("look_consents", [ann])
    assert (consent[1], consent[3], consent[7]) == (1, 1 << Channel.PUSH.code, 1)  # granted, push, proven


def test_a_renewed_subscription_takes_the_place_of_the_old_one(stage):
    ann = lead(stage)
    allowed(stage, ann, OLD)
    assert renewed(stage, OLD, NEW)
    assert health(stage, ann) == {OLD: 1, NEW: 0}
    assert len(stage.rows_among("look_consents", [ann])) == 1  # the consent is that of the channel


def test_the_same_again_and_an_unknown_one_change_nothing(stage):
    ann = lead(stage)
    allowed(stage, ann, OLD)
    assert renewed(stage, OLD, OLD) and health(stage, ann) == {OLD: 0}
    assert not renewed(stage, NEW, OLD) and health(stage, ann) == {OLD: 0}


def test_all_who_share_the_browser_keep_it(stage):
    ann, bob = lead(stage), lead(stage, "bob")
    allowed(stage, ann, OLD)
    with stage.db.write() as tx:
        add_addresses(tx, HASH_KEY, bob, [Address(Channel.PUSH, OLD)])
    assert renewed(stage, OLD, NEW)
    assert health(stage, ann) == health(stage, bob) == {OLD: 1, NEW: 0}
