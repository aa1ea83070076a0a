"""An app's token and a browser's subscription are both addresses of push: each goes to whom it is for."""

import json
from pathlib import Path

import pytest

from kaskad.domain.terms import Channel, Reason, SkipReason
from kaskad.providers.vapid import new_key
from kaskad.store.contacts import Address, add_addresses, mark_invalid
from support.browser import Browser
from support.stage import HASH_KEY, Stage, refused

ACCOUNTS = json.loads((Path(__file__).parents[1] / "providers/accounts.json").read_text())
TOKEN = "dQw4w9WgXcQ:APA91bHun4MxP5egoKMwt2KZFBaFUH"
CASCADE = """
cascade: hi
title: Hi
class: transactional
topic: orders
urgent: true
trigger: {{event: joined}}
steps:
  - {{id: push, channel: push, text: Hello{account}}}
"""


@pytest.fixture
def stage(either):
    """Return a stage with an account for apps and one for browsers, and no other for push."""
    stage = Stage(either)
    stage.account(Channel.PUSH, "push", enabled=False)
    return stage


BROWSER = Browser("https://fcm.googleapis.com/fcm/send/one").address


def app(stage, **more):
    return stage.account(
        Channel.PUSH, "app", provider="fcm", settings={}, secrets=ACCOUNTS["fcm"]["one"]["secrets"], **more
    )


def web(stage, **more):
    own, secrets = {"contact": "mailto:a@example.org"}, {"private_key": new_key()}
    return stage.account(Channel.PUSH, "web", provider="webpush", settings=own, secrets=secrets, **more)


def person(stage, name, *pushes):
    """Return a contact with these push addresses, the first the one that they like best."""
    number = stage.person(name, [Channel.EMAIL])
    told = [Address(Channel.PUSH, value, preferred=place) for place, value in enumerate(pushes, 1)]
    with stage.db.write() as tx:
        add_addresses(tx, HASH_KEY, number, told)
    return number


def goes(stage, number, account=""):
    """Return which account the push to a contact went by, and to which address; None: it was skipped."""
    stage.cascade(CASCADE.format(account=f", account: {account}" if account else ""))
    before = len(stage.parcels)
    stage.event(number, "joined")
    told = [(stage.world.accounts[p.account_id].name, p.outgoing.to) for p in stage.parcels[before:]]
    return told[0] if told else None


@pytest.mark.parametrize("app_is", [0, 1])
def test_each_kind_of_address_has_its_account_whichever_comes_first(stage, app_is):
    app(stage, priority=app_is)
    web(stage, priority=1 - app_is)
    assert goes(stage, person(stage, "ann", TOKEN)) == ("app", TOKEN)
    assert goes(stage, person(stage, "bob", BROWSER)) == ("web", BROWSER)


def test_accounts_of_one_priority_do_not_share_what_they_cannot_take(stage):
    app(stage)
    web(stage)
    for number in range(8):
        assert goes(stage, person(stage, f"a{number}", f"{TOKEN}{number}")) == ("app", f"{TOKEN}{number}")


def test_who_has_both_is_reached_by_the_first_account_or_by_the_named_one(stage):
    app(stage)
    web(stage, priority=1)
    both = person(stage, "ann", BROWSER, TOKEN)
    assert goes(stage, both) == ("app", TOKEN)
    assert goes(stage, person(stage, "bob", TOKEN + "b", BROWSER), account="web") == ("web", BROWSER)


def test_an_address_that_is_gone_gives_way_to_one_that_is_good(stage):
    app(stage)
    web(stage, priority=1)
    both = person(stage, "ann", TOKEN, BROWSER)
    with stage.db.write() as tx:
        mark_invalid(tx, [(both, Channel.PUSH, TOKEN)], 1)
    assert goes(stage, both) == ("web", BROWSER)


def test_an_account_for_the_other_kind_alone_reaches_nobody(stage):
    web(stage)
    number = person(stage, "ann", TOKEN)
    assert goes(stage, number) is None
    assert stage.states(number) == {"push": SkipReason.NO_ADDRESS.value}


def test_an_account_out_of_service_is_not_stood_in_for_by_the_other_kind(stage):
    app(stage)
    web(stage, priority=1)
    stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.AUTH)
    number = person(stage, "ann", TOKEN)
    goes(stage, number)
    assert {stage.world.accounts[p.account_id].name for p in stage.parcels} == {"app"}


def test_an_account_that_takes_all_is_chosen_as_always(stage):
    app(stage, priority=1)
    stage.account(Channel.PUSH, "push", enabled=True)
    assert goes(stage, person(stage, "ann", BROWSER)) == ("push", BROWSER)
