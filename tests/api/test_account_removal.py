"""An account that people under way need is not deleted by the way, only on purpose."""

from collections.abc import Iterator

import pytest

from kaskad.cli.root import run
from kaskad.domain.terms import Channel
from support.faults import until
from support.shop import Taker, equip, people, taking

CASCADE = """cascade: {slug}
class: service
goal: {{event: purchase}}
holdout: 0%
trigger: {{broadcast: all}}
steps:
  - {{id: chat, channel: telegram, text: "Dear {{{{ contact.name }}}}", wait: 1h}}
  - {{id: letter, channel: email, {account}subject: News, text: "Hello", wait: 1h}}
"""


@pytest.fixture(scope="module")
def begun(api) -> Iterator[Taker]:
    """Return a provider that has taken the first message of a cascade; its second step waits an hour."""
    with taking() as taker:
        equip(api.service, taker.url, Channel.EMAIL, Channel.TELEGRAM)
        people(api.service, "ann", "bob", listed="all")
        begin(api, "waits")
        yield taker


@pytest.fixture
def taker(api, begun) -> Taker:
    """Return the same, with its accounts, which another test may have removed."""
    equip(api.service, begun.url, Channel.EMAIL, Channel.TELEGRAM)
    return begun


def begin(api, slug: str, account: str = "") -> None:
    api.put(f"/cascades/{slug}", content=CASCADE.format(slug=slug, account=account))
    api.post(f"/cascades/{slug}/activate")
    api.post(f"/cascades/{slug}/launch", {"list": "all"})
    until(lambda: [line["sent"] for line in api.get(f"/cascades/{slug}/report")["lines"]][:1] == [2], 30)


def spare(api, name: str, **changes: object) -> None:
    told = api.get("/accounts/email")
    kept = {key: told[key] for key in ("provider", "channel", "settings", "price")}
    api.put(f"/accounts/{name}", kept | {"secrets": {"secret": "swordfish-swordfish"}} | changes)


def test_the_last_account_for_a_step_ahead_stays_and_the_cascade_is_named(api, taker):
    spare(api, "resting", enabled=False)  # stands in for nobody
    refused = api.call("DELETE", "/accounts/email")
    assert refused.status_code == 409
    detail = refused.json()["detail"]
    assert "'waits'" in detail and "another email account" in detail and "--force" in detail
    assert api.get("/accounts/email")["enabled"]


def test_what_nobody_needs_any_more_is_deleted(api, taker):
    spare(api, "resting", enabled=False)
    api.delete("/accounts/resting")
    spare(api, "second")
    api.delete("/accounts/second")  # the first stands in
    api.delete("/accounts/telegram")  # every chat has been sent


def test_an_account_named_by_an_older_version_is_needed_whatever_else_there_is(api, taker):
    spare(api, "own")
    begin(api, "named", "account: own, ")
    api.put("/cascades/named", content=CASCADE.format(slug="named", account=""))
    api.post("/cascades/named/activate")
    refused = api.call("DELETE", "/accounts/own")
    assert refused.status_code == 409 and "'named'" in refused.json()["detail"]
    assert "'waits'" not in refused.json()["detail"]
    assert api.call("DELETE", "/accounts/own", params={"force": "true"}).status_code == 204


def test_the_command_says_the_same_and_force_goes_through(api, taker, capsys):
    where = ["--db", api.service.db.name]
    assert run(["account", "remove", "email", *where]) == 1
    assert "under way in 'waits'" in capsys.readouterr().err
    assert run(["account", "remove", "email", "--force", *where]) == 0
    assert api.call("GET", "/accounts/email").status_code == 404
