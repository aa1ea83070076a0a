"""Trials between versions over the API and the command: begun, shared anew, promoted, ended, refused."""

import json

from kaskad.cli import trials as cli
from kaskad.cli.root import run
from kaskad.cli.trials import COUNTED
from kaskad.store import trials, winners
from kaskad.store.winners import Detail, Figures

TEXT = """cascade: basket
title: Basket
class: service
trigger: {{event: left}}
goal: {{event: bought}}
steps:
  - {{id: letter, channel: email, subject: "{0}", text: t}}
"""
EMAIL = {
    "provider": "generic_webhook", "channel": "email", "settings": {"url": "https://mail.example.org/"},
    "secrets": {"secret": "0123456789abcdef"},
}  # fmt: skip


def put(api, words, slug="basket", **changes):
    text = TEXT.format(words).replace("basket", slug)
    for old, new in changes.items():
        text = text.replace(old, new)
    return api.put(f"/cascades/{slug}", content=text)


def test_a_trial_from_its_beginning_to_the_promotion(api):
    api.put("/accounts/mail", EMAIL)
    put(api, "old")
    refused = api.call("POST", "/cascades/basket/trials", {"arms": [{"share": 20}]})
    assert refused.status_code == 409 and "activate it first" in refused.text
    api.post("/cascades/basket/activate")
    refused = api.call("POST", "/cascades/basket/trials", {"arms": [{"share": 20}]})
    assert refused.status_code == 422 and "no draft to try" in refused.text

    put(api, "other", left="gone")
    refused = api.call("POST", "/cascades/basket/trials", {"arms": [{"share": 20}]})
    assert refused.status_code == 422 and "`trigger`" in refused.text, "other people would enter it"
    put(api, "new")
    for told, words in (({"by": "luck"}, "goal"), ({"confidence": 100}, "100"), ({"after": 5}, "100")):
        refused = api.call("POST", "/cascades/basket/trials", {"arms": [{"share": 20}], "rule": told})
        assert refused.status_code == 422 and words in refused.text
    rule = {"by": "goal", "after": 300, "opt_out": 0.1}
    begun = api.post("/cascades/basket/trials", {"arms": [{"share": 20}], "rule": rule})
    assert begun["rule"] == rule | {"confidence": 95.0, "promote": False} and begun["verdict"] is None
    assert begun["state"] == "running"
    told = [(arm["version"], arm["share"], arm["running"]) for arm in begun["arms"]]
    assert told == [(1, 80.0, True), (2, 20.0, False)]
    assert api.get("/cascades/basket")["version"] == 1 and not api.get("/cascades/basket")["drafted"]

    put(api, "third")
    assert "on trial" in api.call("POST", "/cascades/basket/activate").text
    more = api.post("/cascades/basket/trials", {"arms": [{"share": 10}]})
    assert [arm["share"] for arm in more["arms"]] == [70.0, 20.0, 10.0] and more["id"] == begun["id"]
    assert more["rule"] == begun["rule"]
    shared = api.post("/cascades/basket/trials/share", {"arms": [{"version": 2, "share": 50}]})
    assert [arm["share"] for arm in shared["arms"]] == [40.0, 50.0, 10.0]
    for told, words in (
        ({"arms": [{"version": 2, "share": 95}]}, "Leave at least"),
        ({"arms": [{"version": 9, "share": 5}]}, "not on trial"),
        ({"arms": [{"version": 2, "share": 0.01}]}, "at least 0.1%"),
    ):  # fmt: skip
        refused = api.call("POST", "/cascades/basket/trials/share", told)
        assert refused.status_code == 422 and words in refused.text

    told = {"external_id": "ann", "addresses": [{"channel": "email", "value": "ann@example.org"}]}
    contact = api.post("/contacts", told)["id"]
    theirs = api.get(f"/contacts/{contact}/may", params={"cascade": "basket"})["version"]
    api.post("/events", {"id": "e1", "name": "left", "contact": {"id": contact}})
    told = api.get("/cascades/basket/trials")["items"][0]
    entered = {arm["version"]: arm["entered"] for arm in told["arms"]}
    assert entered[theirs] == 1, "it is foretold who enters what"

    assert api.call("POST", "/cascades/basket/trials/promote", {"version": 7}).status_code == 404
    done = api.post("/cascades/basket/trials/promote", {"version": 2, "why": "more orders"})
    assert (done["state"], done["winner"], done["why"]) == ("promoted", 2, "more orders")
    assert api.get("/cascades/basket")["version"] == 2
    refused = api.call("POST", "/cascades/basket/trials/end", {})
    assert refused.status_code == 409 and "kaskad trial start basket" in refused.text
    noted = [each["action"] for each in api.get("/audit")["items"]]
    assert "POST /cascades/{slug}/trials/promote" in noted


def test_the_command_says_the_same(api, capsys, tmp_path):
    api.put("/accounts/mail", EMAIL)
    put(api, "old", "lamp")
    api.post("/cascades/lamp/activate")
    put(api, "other", "lamp")
    api.post("/cascades/lamp/trials", {"arms": [{"share": 20}]})
    api.post("/cascades/lamp/trials/promote", {"version": 2, "why": "more orders"})
    put(api, "new", "lamp")
    where = ["--db", str(api.service.office.db.name)]

    def said(*arguments):
        assert run(["trial", *arguments, *where]) == 0
        return capsys.readouterr().out

    assert run(["trial", "start", "lamp", "--share", "a fifth", *where]) == 2
    assert "no share" in capsys.readouterr().err
    assert run(["trial", "start", "lamp", "--share", "20%", "--promote", *where]) == 2
    assert "--by goal" in capsys.readouterr().err
    begun = json.loads(said("start", "lamp", "--share", "20%", "--by", "reacted", "--promote", "--json"))
    assert begun["arms"][1]["share"] == 20.0
    number = str(begun["arms"][1]["version"])
    assert "30%" in said("share", "lamp", "--share", "30%", "--version", number)
    shown = said("show", "lamp")
    assert "best by reacted for certain (95%), it is promoted; it takes 500 people of each" in shown
    figures = Figures("1", 900, 90, 1), Figures(number, 880, 140, 2)
    with api.service.office.read() as tx:
        trial = trials.running(tx)[0]
    now = trial.shared_at + 1
    api.service.office.write(
        lambda tx: winners.put_of_trial(tx, trial, int(number), Detail("goal", figures, (0.02,)), now)
    )
    told = said("show", "lamp")
    assert f"version {number} won by goal; promote it" in told and "15.9%" in told
    assert json.loads(said("show", "lamp", "--json"))[0]["verdict"]["versions"][0]["people"] == 900
    assert "under way" in shown and "(runs)" in shown and "promoted (more orders)" in shown
    assert [each["name"] for each in api.get("/alarms")["items"] if each["kind"] == "winner"] == ["lamp"]
    assert "over: nothing was promoted (tried enough)" in said("end", "lamp", "--why", "tried enough")
    assert "winner" not in [each["kind"] for each in api.get("/alarms")["items"]]
    file = tmp_path / "lamp.yaml"
    file.write_text(TEXT.format("third").replace("basket", "lamp"))
    begun = json.loads(said("start", "lamp", "--share", "5%", "--file", str(file), "--json"))
    assert begun["arms"][1]["version"] == int(number) + 1
    assert run(["trial", "start", "lamp", "--share", "5%", "--file", str(tmp_path / "no.yaml"), *where]) == 2
    assert (
        run(["trial", "start", "lamp", "--share", "5%", "--version", "1", "--file", str(file), *where]) == 2
    )


def test_a_new_version_for_a_share_first(api, capsys, tmp_path):
    api.put("/accounts/mail", EMAIL)
    file, where = tmp_path / "tried.yaml", ["--db", str(api.service.office.db.name)]

    def draft(words):
        file.write_text(TEXT.format(words).replace("basket", "tried"))
        api.put("/cascades/tried", content=file.read_text())

    def said(*arguments):
        assert run([*arguments, *where]) == 0
        return capsys.readouterr().out

    draft("old")
    asked = {"canary": "50%", "canary_people": 3, "canary_after": "6h"}
    refused = api.call("POST", "/cascades/tried/activate", asked)
    assert refused.status_code == 409 and "Nobody enters" in refused.text
    assert api.post("/cascades/tried/activate")["canary"] is None
    assert "No version of tried" in said("canary", "show", "tried")
    draft("new")
    assert api.call("POST", "/cascades/tried/activate", {"canary": "all"}).status_code == 422
    begun = api.post("/cascades/tried/activate", asked)
    assert (begun["version"], begun["canary"], begun["state"]) == (1, 2, "active")
    (told,) = api.get("/cascades/tried/canaries")["items"]
    assert (told["share"], told["people"], told["mature_s"], told["state"]) == (50.0, 3, 21_600, "running")
    draft("third")
    refused = api.call("POST", "/cascades/tried/trials", {"arms": [{"share": 20}]})
    assert refused.status_code == 409 and "canary of 'tried'" in refused.text
    assert api.post("/cascades/tried/canaries/stop")["ended_by"]
    assert api.call("POST", "/cascades/tried/canaries/stop").status_code == 409

    draft("fourth")
    told = said("apply", str(file), "--yes", "--canary", "5%", "--canary-people", "9")
    assert "5% of those who enter tried get version 3, the others 1" in told
    assert "0/9" in said("canary", "show", "tried") and "once enough" in said("canary", "show", "tried")
    assert "Everybody enters version 3" in said("canary", "pass", "tried")
    assert json.loads(said("canary", "show", "tried", "--json"))[0]["state"] == "passed"
    assert api.get("/cascades/tried")["version"] == 3
    noted = [each["action"] for each in api.get("/audit")["items"]]
    assert {"POST /cascades/{slug}/canaries/pass", "POST /cascades/{slug}/activate"} <= set(noted)


def test_paused_steps_are_told_of_alike_wherever_another_version_begins(api, capsys, tmp_path):
    api.put("/accounts/mail", EMAIL)
    file, where = tmp_path / "kept.yaml", ["--db", str(api.service.office.db.name)]

    def said(*arguments):
        assert run([*arguments, *where]) == 0
        return capsys.readouterr().out

    def write(words):
        text = TEXT.format(words).replace("basket", "kept")
        file.write_text(text + '  - {id: second, channel: email, subject: "s", text: t}\n')

    write("old")
    api.put("/cascades/kept", content=file.read_text())
    api.post("/cascades/kept/activate")
    for step, skip in (("letter", False), ("second", True)):
        api.post(f"/cascades/kept/steps/{step}/pause", {"skip": skip})
    write("new")
    file.write_text(file.read_text().replace("id: second", "id: last"))
    waits = {
        "step": "letter", "what": "waits",
        "words": "Step 'letter' stays paused: people wait at it until somebody resumes it.",
    }  # fmt: skip
    gone = {
        "step": "second", "what": "gone",
        "words": "Step 'second', which is paused, is not in this version: what has taken its place is sent.",
    }  # fmt: skip
    both = f"{waits['words']} (`kaskad resume kept --step letter`)\n{gone['words']}\n"
    assert api.call("POST", "/cascades/kept/plan", content=file.read_text()).json()["paused"] == [waits, gone]

    told = said("apply", str(file), "--yes", "--canary", "5%")
    assert told.endswith(both) and "get version 2, the others 1" in told
    api.post("/cascades/kept/canaries/stop")
    assert said("trial", "start", "kept", "--share", "5%", "--file", str(file)).endswith(both)
    said("trial", "end", "kept")
    api.put("/cascades/kept", content=file.read_text())
    begun = api.post("/cascades/kept/trials", {"arms": [{"share": 20}]})
    assert begun["paused"] == [{"version": 4, **waits}, {"version": 4, **gone}]
    said("trial", "end", "kept")
    api.put("/cascades/kept", content=file.read_text())
    canary = api.post("/cascades/kept/activate", {"canary": "50%"})
    assert canary["paused"] == [waits, gone]
    api.post("/cascades/kept/canaries/stop")
    assert said("apply", str(file), "--yes").endswith("kept is at version 6.\n" + both)
    api.put("/cascades/kept", content=file.read_text() + "# the same\n")
    assert api.post("/cascades/kept/activate")["paused"] == [waits], "what is gone is told once"


def test_no_difference_of_an_uneven_lot_is_told(capsys):
    apart = {name: {"low": 0.01, "high": 0.05} for name in COUNTED}
    arm = {"share": 50, "entered": 500, "under_way": 0, "cost": {}, **dict.fromkeys(COUNTED, 100)}
    told = {
        "id": 1, "state": "running", "why": "", "winner": None, "ended_by": "", "rule": None, "verdict": None,
        "since": "2026-11-27T12:00:00Z", "evenly": 0.4,
        "arms": [{**arm, "version": 1, "running": True, "apart": {}},
                 {**arm, "version": 2, "running": False, "apart": apart}],
    }  # fmt: skip
    cli._print(told)
    assert "reacted +1.0 to +5.0 points" in capsys.readouterr().out
    cli._print({**told, "evenly": 0.0001})
    said = capsys.readouterr().out
    assert said.count("uneven lot: believe nothing") == 1 and "points" not in said
