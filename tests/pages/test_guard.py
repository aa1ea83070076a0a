"""Guardrails on their page and over the API: bounds, what was stopped and looked at, first parts, alarms."""

import inspect
import re

from kaskad.actions.alarm_words import WORDS, page
from kaskad.actions.alarms import KINDS
from kaskad.cli.root import run
from kaskad.domain.guard import Figure
from kaskad.domain.guarded import Count
from kaskad.store import canaries, cascades, guards, holds, step_holds
from kaskad.store.guards import Stream
from kaskad.store.holds import Held
from kaskad.web.pages import settings_alarms
from support.faults import until


def stop(site) -> None:
    """Let a guardrail have stopped the cascade."""
    office = site.service.office

    def change(tx) -> None:
        row = cascades.by_slug(tx, "news")
        stream = Stream(row.version_id, 0, 0, Figure.BOUNCES)
        guards.put_stop(tx, stream, Count(31, 120), 500, True, office.now())
        cascades.set_state(tx, row.id, cascades.PAUSED, office.now())

    office.write(change)
    office.reload()


def test_every_kind_of_alarm_has_its_words():
    assert set(KINDS) == set(WORDS)
    source = inspect.getsource(settings_alarms)
    assert [kind for kind in KINDS if f'"{kind}": look._(' not in source] == []


def test_every_alarm_leads_to_a_page_that_is_there(site):
    assert page("guard_step", "cart/letter") == page("guard_told", "cart") == "/cascades/cart/guard"
    assert page("uneven", "cart/letter") == "/cascades/cart/uplift?all=yes"
    assert page("account_told", "mail") == "/channels/accounts/mail" and page("engine", "") == ""
    hook = site.api.post("/webhooks", {"url": "https://192.0.2.1/told", "types": ["alarm.raised"]})["id"]
    named = {
        "guard_step": "news/chat", "canary_version": "news/1", "uneven": "news/chat", "stops": "2",
        "webhook": str(hook), "engine": "", "inbox": "", "no_address": "",
        "budget_used": "email", "budget_near": "email",
    }  # fmt: skip
    with site.client("owner") as client:
        for kind in KINDS:
            name = named.get(kind, "email" if kind.startswith("account_") else "news")
            path = page(kind, name) or "/"
            assert client.get(path).status_code == 200, f"{kind} leads to {path}"
    assert site.api.call("DELETE", f"/webhooks/{hook}").status_code == 204


def watched(site) -> set[str]:
    """Return the figures of the cascade that have something to count."""
    return {one["figure"] for one in site.api.get("/cascades/news/guard")["watched"]}


def test_what_was_stopped_is_seen_looked_at_and_goes_on(visit, site, capsys):
    api = site.api
    stop(site)
    assert run(["guard", "show", "news", "--db", str(site.service.office.db.name)]) == 1
    assert "Look at it, then `kaskad resume news`.\n" in capsys.readouterr().out
    (alarm, *_) = [one for one in site.api.get("/alarms")["items"] if one["kind"] == "guard"]
    assert alarm["detail"] == "bounces of step 'chat': 31 of 120 messages, 25.83 %; the bound is 5 %"
    for theme, width in (("light", "wide"), ("dark", "phone")):
        looked = visit("marketer", language="ru", theme=theme, width=width)
        page = looked.goto("/cascades/news/guard")
        assert "31 из 120" in page.inner_text("main")
        assert page.get_by_label("Жалобы, %").input_value() == "0,1"
        looked.shoot(f"guard {width}")
        assert looked.axe() == [] and not looked.overflows()
        looked.goto("/settings/alarms")
        looked.shoot(f"alarms {width}")
        assert looked.axe() == [] and not looked.overflows()
    with site.client("marketer") as client:
        assert "/cascades/news/guard" in client.get("/?lang=en").text
        said = "на шаге «chat»: 31 из 120 сообщений, 25,83\u00a0%; граница 5 %"
        assert said in client.get("/?lang=ru").text
        token = re.search(r'name="csrf" value="([^"]+)', client.get("/cascades/news/guard").text)[1]
        wrong = {"csrf": token, "complaints": "0.2", "bounces": "a lot"}
        refused = client.post("/cascades/news/guard?lang=en", data=wrong)
        assert refused.status_code == 422 and "share in percent" in refused.text and "a lot" in refused.text
        told = {"csrf": token, "complaints": "0,2", "opt_outs": "0", "bounces": "8 %", "failures": "30"}
        assert client.post("/cascades/news/guard", data=told).status_code == 303
    page = visit("marketer").goto("/cascades/news/guard")
    page.get_by_role("button", name="I have looked: go on").press("Enter")
    page.wait_for_url("**/cascades/news*")
    assert site.api.get("/cascades/news")["state"] == "active"
    guard = site.api.get("/cascades/news/guard")
    assert guard["bounds"] == {
        "complaints": 20, "opt_outs": 0, "bounces": 800, "failures": 3_000, "then": "pause_step",
    }  # fmt: skip
    assert not guard["stopped"] and guard["history"][0]["looked_by"]
    until(lambda: watched(site) >= {"failures", "complaints"}, 40.0)  # messages are counted in rounds
    with site.client("marketer") as client:  # one step alone
        token = re.search(r'name="csrf" value="([^"]+)', client.get("/cascades/news/guard").text)[1]
        told = {"csrf": token, "step": "chat"}
        assert client.post("/cascades/news/guard/steps/pause?lang=en", data=told).status_code == 303
        assert client.post("/cascades/news/guard/steps/pause?lang=en", data=told).status_code == 422
        for page in ("/guard", ""):  # in the report too: whom it keeps waiting would be forgotten
            assert "people wait at it" in client.get(f"/cascades/news{page}?lang=en").text, page
        for page in ("/", "/cascades"):
            assert "step chat is paused" in client.get(f"{page}?lang=en").text, page
    (held,) = api.get("/cascades/news/steps/paused")["items"]
    assert (held["step"], held["skip"], bool(held["by"])) == ("chat", False, True)
    where = ["--db", str(site.service.office.db.name)]
    assert run(["cascades", *where]) == 0
    assert "active (chat paused)" in capsys.readouterr().out
    assert run(["guard", "show", "news", *where]) == 1
    shown = capsys.readouterr().out
    assert "Step chat of version 1 is paused, people wait at it: by" in shown
    assert f"in the block of thirty days from {guard['block_since'][:10]} on" in shown
    assert run(["resume", "news", *where]) == 0
    assert "Step chat stays paused: `kaskad resume news --step chat`." in capsys.readouterr().out
    page = visit("marketer", language="ru").goto("/cascades/news/guard")
    page.get_by_role("button", name="Продолжить шаг").press("Enter")
    page.wait_for_selector(".toast.good")
    assert run(["pause", "news", "--step", "chat", "--skip", *where]) == 0
    assert run(["resume", "news", "--step", "chat", *where]) == 0
    assert "0 runs wanted to send it" in capsys.readouterr().out
    assert run(["pause", "news", "--skip", *where]) == 2
    noted = {each["action"] for each in api.get("/audit")["items"]}
    assert {f"POST /cascades/{{slug}}/steps/{{step}}/{act}" for act in ("pause", "resume")} <= noted
    with site.client("viewer") as client:
        assert ">Save<" not in client.get("/cascades/news/guard?lang=en").text
        assert "Nothing is watched yet" in client.get("/cascades/draft/guard?lang=en").text


def fared_well(site) -> None:
    """Let a launch to a list have had a first part, and one to seed contacts."""
    office = site.service.office

    def change(tx) -> None:
        row, now = cascades.by_slug(tx, "news"), office.now()
        few = cascades.save_list(tx, "few")
        made = [
            cascades.launch(tx, row.version_id, few, 0, now, size=0, audience=whom)
            for whom in ("list few", "canary of list few", "seed contacts")
        ]
        canaries.begin(tx, made[0], made[1], few, 200, 0)
        canaries.end(tx, made[0], "passed", "complaints 0/1221, opt_outs 4/1221", now)
        for launch in made:
            cascades.stop_launch(tx, row.id, launch)

    office.write(change)


def test_first_parts_and_seed_contacts_are_told_by_whom_they_are_of(site):
    fared_well(site)
    with site.client("marketer") as client:
        report, guard = (client.get(f"/cascades/news{part}?lang=en") for part in ("", "/guard"))
        assert report.status_code == 200 and "first part of: list few" in report.text
        assert "seed contacts" in report.text
        assert "complaints 0 / 1,221, opt-outs 4 / 1,221" in guard.text and "launch_" not in guard.text
        russian = client.get("/cascades/news/guard?lang=ru").text
        assert "жалобы 0 / 1\xa0221, отписки 4 / 1\xa0221" in russian
        assert "первая часть: список few" in client.get("/cascades/news?lang=ru").text


def test_the_api_and_the_launch_page_take_a_first_part_and_say_who_is_told(site, capsys):
    api, at = site.api, ["--db", str(site.service.office.db.name)]
    begun = api.post("/cascades/news/launch", {"everybody": True, "canary": "1%", "canary_after": "6h"})
    assert begun["canary"] == 0  # two people are no more than a first part
    assert api.call("POST", "/cascades/news/launch", {"everybody": True, "canary": "x"}).status_code == 422
    assert api.call("POST", f"/cascades/news/launches/{begun['id']}/go").status_code == 409
    with site.client("marketer") as client:
        asked = client.get("/cascades/news/launch", params={"audience": "everybody", "canary": "2%"}).text
    assert asked.count('value="2%"') == 2  # in the field, and in what is sent on
    assert "2 of 2 asked would not enter now, and are in these figures all the same" in asked
    way = {"account": "email", "to": "Ops@example.org", "kinds": ["guard"]}
    kept = api.put("/alarms/ways", {"ways": [way]})
    assert kept == api.get("/alarms/ways") == {"ways": [{**way, "to": "ops@example.org"}]}
    assert api.call("PUT", "/alarms/ways", {"ways": [{"account": "none", "to": "x"}]}).status_code == 422
    with site.client("owner") as client:
        told = client.get("/settings/alarms?lang=en").text
        assert "ops@example.org" in told and "Paused by a guardrail" in told
        token = re.search(r'name="csrf" value="([^"]+)', told)[1]
        wrong = client.post("/settings/alarms?lang=en", data={"csrf": token, "account": "email", "to": "x"})
        assert wrong.status_code == 422 and len(api.get("/alarms/ways")["ways"]) == 1
        more = {"csrf": token, "account": "telegram", "to": "77", "urgent": "on"}
        assert client.post("/settings/alarms", data=more).status_code == 303
        gone = {"csrf": token, "account": "email", "to": "ops@example.org"}
        assert client.post("/settings/alarms/remove", data=gone).status_code == 303
    told = {"provider": "apprise", "channel": "sms", "settings": {"service_url": "json://192.0.2.1/{to}"}}
    api.put("/accounts/pager", {**told, "enabled": False})  # for alarms only: its addresses are its own
    with site.client("owner") as client:
        page = client.get("/settings/alarms?lang=en").text
        assert ">pager · tells alarms only<" in page and ">email<" in page
    api.put("/alarms/ways", {"ways": [*api.get("/alarms/ways")["ways"], {"account": "pager", "to": "duty"}]})
    assert run(["alarm", "spare", "pager", "duty", *at]) == run(["alarm", "tell", "pager", "duty", *at]) == 0
    assert "also carries" not in capsys.readouterr().out
    api.post("/accounts/pager/enable")
    assert run(["alarm", "tell", "pager", "duty", *at]) == 0
    assert "pager also carries messages of cascades by sms" in capsys.readouterr().out
    assert run(["alarm", "spare", "pager", "duty", *at]) == 0
    assert api.call("DELETE", "/accounts/pager").status_code == 204
    (left,) = api.get("/alarms/ways")["ways"]
    assert left["account"] == "telegram" and "guard" in left["kinds"] and "stops" not in left["kinds"]
    assert {one["kind"] for one in api.get("/alarms/history")["items"]} <= {"guard"}
    assert api.call("PATCH", "/accounts/email/guard", {"bounces": 900}).status_code == 204
    assert api.call("PATCH", "/accounts/none/guard", {"bounces": 900}).status_code == 404
    assert api.post("/cascades/news/guard/look") == {"looked": 0}


def test_a_step_that_a_guardrail_has_paused_is_told_once_and_asks_for_one_thing(site, capsys):
    text = (
        "cascade: stopped\ntitle: Stopped\nclass: service\ntrigger: {event: left}\nholdout: 0%\n"
        "steps:\n  - {id: chat, channel: telegram, text: Hello, wait: 1h}\n"
    )
    site.api.put("/cascades/stopped", content=text)
    site.api.post("/cascades/stopped/activate")
    office = site.service.office

    def change(tx) -> None:
        version, now = cascades.by_slug(tx, "stopped").version_id, office.now()
        guards.put_stop(tx, Stream(version, 0, 0, Figure.FAILURES), Count(40, 50), 2_000, True, now)
        why = "failures of step 'chat': 40 of 50 messages, 80 %; the bound is 20 %"
        step_holds.put(tx, (version, 0), now, skip=False, why=why)

    office.write(change)
    office.reload()
    with site.client("marketer") as client:
        page = client.get("/cascades/stopped/guard?lang=en").text
    assert page.count("40 of 50 messages") == 1 and "the rest goes on. Failures of step" in page
    assert "Let the step go on" in page and "I have looked" not in page
    with site.client("marketer") as client:
        assert "на шаге «chat»: 40 из 50" in client.get("/cascades/stopped/guard?lang=ru").text
        assert "failures" not in client.get("/cascades/stopped/guard?lang=ru").text.partition("<form")[0]
    assert run(["guard", "show", "stopped", "--db", str(office.db.name)]) == 1
    said = capsys.readouterr().out
    assert "Look at it, then `kaskad resume stopped --step chat`." in said
    assert "`kaskad resume stopped`" not in said


def test_a_held_account_is_let_go_where_the_first_page_leads_to(site):
    office = site.service.office
    name = next(each["name"] for each in site.api.get("/accounts")["items"] if each["channel"] == "telegram")
    number = next(each.id for each in office.engine.world.accounts.values() if each.name == name)
    why = "failures: 106 of 106 messages, 100 %; the bound is 20 %"
    office.write(lambda tx: holds.put(tx, number, Held(office.now(), why)))
    office.reload()
    path = f"/channels/accounts/{name}"
    with site.client("owner") as client:
        held = f"Account {name} is held and sends nothing: failures: 106"
        until(lambda: held in client.get("/?lang=en").text, 30.0)  # an earlier reader's page is kept a while
        assert f'href="{path}"' in client.get("/?lang=en").text
        page = client.get(f"{path}?lang=en").text
        assert "It is held and sends nothing: failures: 106" in page
        token = re.search(r'name="csrf" value="([^"]+)', page)[1]
        assert client.post(f"{path}/resume", data={"csrf": token}).status_code == 303
        assert "is held" not in client.get(f"{path}?lang=en").text
