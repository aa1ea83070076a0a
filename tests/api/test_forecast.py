"""The forecast: the field's figures for typical people, the real base for an audience; API and command."""

import json
import re
import time
from datetime import UTC, datetime

import pytest

from kaskad.analytics.control import everybody
from kaskad.cli.root import run
from kaskad.config import Settings
from kaskad.domain.control import drawn
from kaskad.domain.definition import to_cascade
from kaskad.domain.entering import share
from kaskad.domain.policy import ControlGroup, Policy
from kaskad.domain.version import prepare
from kaskad.store import trials
from kaskad.web.service import attending
from support.api import Api

PRICES = {"email": 0.05, "telegram": 17.5, "sms": 15, "robot_call": 37.5, "agent_call": 375}
STEPS = """cascade: five
class: service
trigger: {event: x}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: s, text: t}
  - {id: chat, channel: telegram, text: t}
  - {id: sms, channel: sms, text: "TEXT"}
  - {id: robot, channel: robot_call, say: t}
"""
KEPT = "SELECT forecast FROM launches ORDER BY id DESC LIMIT 1"
AGENT = "  - {id: agent, channel: agent_call, script: t}\n"


def accounts(api):
    hook = {"url": "http://127.0.0.1:1/"}
    secrets = {"secret": "swordfish-swordfish"}
    told = {"provider": "generic_webhook", "settings": hook, "secrets": secrets}
    for channel, price in PRICES.items():
        per = " per part" if channel == "sms" else ""
        kind = {"provider": "desk"} if channel == "agent_call" else told
        api.put(f"/accounts/{channel}", {**kind, "channel": channel, "price": f"{price} KZT{per}"})


def test_the_forecast_is_that_of_the_worked_example_and_of_the_real_base(api, tmp_path, capsys):
    accounts(api)
    text = STEPS.replace("TEXT", "Hi")
    told = api.post("/cascades/five/forecast", {"definition": text})
    assert (told["audience"], told["size"], told["basis"]) == ("", 1000, "prior")
    assert [step["arrived"] for step in told["steps"]] == [1000, 800, 400, 250]
    assert [step["ended"] for step in told["steps"]] == [200, 400, 150, 100]
    assert [step["cost"]["KZT"] for step in told["steps"]] == [5000, 1400000, 600000, 937500]
    # S3's own story: 85 % for 29.43 of each who enters, 34.62 of each who is reached.
    assert (told["reach"], told["messages"], told["silent"]) == (0.85, 2450, 150)
    assert round(told["each_entered"]["KZT"] / 100, 3) == 29.425
    assert round(told["each_reached"]["KZT"] / 100, 2) == 34.62
    _edges_agree_with_the_steps(told)
    half, most, whole = told["over"]
    assert (half["share"], most["share"], whole["share"]) == ("50%", "90%", "100%")
    assert 0 < half["between"]["low"] <= half["after_s"] <= half["between"]["high"] <= whole["after_s"]
    # A letter for a day, a chat for six hours, SMS and call for two: no end before, and nights in between.
    assert 34 * 3600 <= whole["after_s"] <= 5 * 86_400
    with_agents = api.post("/cascades/five/forecast", {"definition": text + AGENT})
    assert (with_agents["reach"], with_agents["each_entered"]) == (0.955, {"KZT": 8567.5})  # 85.68

    # 10 people: all have mail, 5 a chat, 4 a number; one has said no to mails.
    for number in range(10):
        addresses = [{"channel": "email", "value": f"p{number}@example.org"}]
        if number % 2:
            addresses.append({"channel": "telegram", "value": str(1000 + number)})
        if number < 4:
            addresses.append({"channel": "sms", "value": f"+7700000{number:04}"})
        api.post("/contacts", {"external_id": f"p{number}", "zone": "Asia/Almaty", "addresses": addresses})
    api.post("/contacts/p9/consents", {"granted": False, "channels": ["email"]})
    real = api.post("/cascades/five/forecast", {"definition": text, "everybody": True})
    assert (real["audience"], real["size"], real["sample"]) == ("everybody", 10, 10)
    assert [step["passed"] for step in real["steps"]] == [
        {"no_consent": 1}, {"no_address": 5}, {"no_address": 6}, {"no_address": 6},
    ]  # fmt: skip
    assert [step["messages"] for step in real["steps"]] == [9, 4, 2, 2]
    # A longer text costs more parts, a wrong definition is forecast too, conditions of runs count as held.
    long = STEPS.replace("TEXT", "Корзина " * 10 + "{{ link(trigger.url) }}").replace(
        "say: t", "say: t, if: 'trigger.total > 5', wait: 3q"
    )
    told = api.post("/cascades/five/forecast", {"definition": long, "typical": True})
    sms = told["steps"][2]
    assert sms["parts"] > 2 and sms["each"] == 1500 * sms["parts"]  # the link is counted at its length
    assert sms["cost"] == {"KZT": 400 * 1500 * sms["parts"]}
    held = STEPS.replace("TEXT", "t").replace("class: service", "class: advertising\nholdout: 20%\ntopic: a")
    held = held.replace("say: t", "say: t, if: 'trigger.total > 5'")
    told = api.post("/cascades/five/forecast", {"definition": held})
    assert told["held_out"] == 200 and told["steps"][0]["arrived"] == 800
    assert told["steps"][3]["notes"] == ["condition"]

    file = tmp_path / "five.yaml"
    file.write_text(text)
    assert run(["forecast", str(file), "--typical", "--db", api.service.db.name]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^letter +1,000 ", shown, re.MULTILINE), "as in the drawing below, and as everywhere"
    assert "85.0% are expected to react: 850 (" in shown and "₸34.62 for each" in shown
    assert "Runs are over after so long, if all enter at once or at the trigger's pace:\nhalf" in shown
    drawn = re.findall(r"^.{6} (?:arrive|react ) [█├┼─┤ ]+ [\d,]+", shown, re.MULTILINE)
    assert re.search(r"^chat +sms +silence +400 \(\d+ to \d+\)$", shown, re.MULTILINE)
    assert len(drawn) == 9 and drawn[0].startswith("letter arrive ██") and "┼" in drawn[-1]
    assert "robot    -10.0 points" in shown and "(-32%)" in shown
    api.put("/cascades/five", content=text)
    assert run(["forecast", "five", "--everybody", "--json", "--db", api.service.db.name]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again.pop("over") and real.pop("over") and again == real  # when it is over hangs on the hour
    assert run(["forecast", "five", "--everybody", "--typical", "--db", api.service.db.name]) == 2
    _the_control_group_does_not_enter(api, text)
    _who_is_held_out_is_known_of_people_who_are_all_asked(api, text)
    wrong = api.call("POST", "/cascades/five/forecast", {"segment": "none"})
    assert wrong.status_code == 404 and "segment" in wrong.json()["detail"]
    _what_has_no_account_is_said_first(api, text, file, capsys)
    _paused_steps_are_not_sent(api, text)


def _edges_agree_with_the_steps(told):
    """Each is of the draws that the steps' ranges are of."""
    steps = {step["step"]: step for step in told["steps"]}
    into = {one["target"]: one for one in told["edges"] if one["by"] in ("entry", "silence")}
    for name, step in steps.items():
        assert into[f"step:{name}"]["people"] == step["arrived"]
        assert into[f"step:{name}"]["between"] == step["ranges"]["arrived"]
    ended = {one["source"]: one for one in told["edges"] if one["by"] == "reaction"}
    for name, step in steps.items():
        assert ended[f"step:{name}"]["between"] == step["ranges"]["reacted"]
        assert ended[f"step:{name}"]["target"] == "end:responded"
    assert into["end:exhausted"]["between"] == told["ranges"]["silent"]
    assert "end:left" not in {one["target"] for one in told["edges"]}, "of whom nothing is known here"


def _what_has_no_account_is_said_first(api, text, file, capsys):
    """The command says so before all figures; where nothing would go out it says no more than that."""
    asked = ["forecast", str(file), "--everybody", "--db", api.service.db.name]
    file.write_text(text.replace("id: chat, channel: telegram", "id: chat, channel: viber"))
    capsys.readouterr()
    assert run(asked) == 0
    shown = capsys.readouterr().out
    assert "No account is set up that could send chat: `kaskad account add`" in shown.splitlines()[1]
    assert "are expected to react" in shown and "-0.0" not in shown
    assert "chat     +0.0 points" in shown and "  +0.0 to +0.0 " in shown
    file.write_text(text.replace("class: service", "class: service\nbudget: 9000 KZT"))
    assert run(asked) == 0
    assert f"1 mistake is left out here: `kaskad check {file}`" in capsys.readouterr().err
    file.write_text(text.replace("class: service", "class: service\nbudget: {total: 10 KZT}"))
    told = api.post("/cascades/five/forecast", {"definition": file.read_text(), "everybody": True})
    assert told["budget_left"] == {"KZT": 1_000} and 0 < told["cost"]["KZT"] <= 1_000
    assert told["cost_ranges"]["KZT"]["high"] <= 1_000
    assert [step["passed"].get("over_budget", 0) > 0 for step in told["steps"]] == [False, True, True, True]
    assert {step["step"]: step["messages"] for step in told["steps"]}["sms"] == 0
    assert run(asked) == 0 and "Of its budget ₸10 are left" in (shown := capsys.readouterr().out)
    assert told["uncounted"] == ["others"] and "as if nobody else spent it" in shown
    assert told["coarse"] == [] and "wrong by a tenth" not in shown
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kaskad.planning.budgets._ROUGH", 0.5)  # as if there were many more groups
        rough = {"definition": file.read_text(), "everybody": True, "sample": 9}
        assert api.post("/cascades/five/forecast", rough)["coarse"] == ["figures", "without"]
        assert run(asked) == 0 and capsys.readouterr().out.count("wrong by a tenth") == 2
    _budgets_by_day_are_kept(api, text)
    rich = file.read_text().replace("10 KZT", "10000 KZT")
    for whom in ({"definition": rich, "everybody": True}, {"definition": file.read_text(), "typical": True}):
        enough = api.post("/cascades/five/forecast", whom)
        assert enough["budget_left"] == {}, "enough, or nobody to say of"
        assert enough["uncounted"] == (["budgets"] if "typical" in whom else [])
    half = enough["over"][0]["between"]
    assert half["high"] >= 4 * 3600, "nor is it over at once for want of money"
    assert run([*asked[:2], "--typical", *asked[3:]]) == 0
    assert "Budgets are not counted for these people" in capsys.readouterr().out
    head, _, _ = text.partition("steps:")
    file.write_text(f"{head}steps:\n  - {{id: chat, channel: viber, text: t}}\n")
    told = api.post("/cascades/five/forecast", {"definition": file.read_text(), "everybody": True})
    assert told["steps"][0]["notes"] == ["no_account"]
    assert run(asked) == 0
    shown = capsys.readouterr().out
    assert "could send any of its steps" in shown and "react" not in shown
    assert run([*asked[:2], "--typical", *asked[3:]]) == 0
    assert "reckoned as if there was one" in (shown := capsys.readouterr().out) and "to react" in shown


def _budgets_by_day_are_kept(api, text):
    """A chat costs more than a day's budget; of two days, in which the rest may go, no more is spent."""
    asked = {"definition": text, "everybody": True}
    usual = api.post("/cascades/five/forecast", asked)
    assert usual["cost"]["KZT"] > 4_000 and not any("over_budget" in one["passed"] for one in usual["steps"])
    for account in ({}, {"account": "telegram"}):
        kept = api.call("PATCH", "/policy", {"budgets": [{"amount": "16 KZT", **account}]})
        assert kept.status_code == 200, kept.text
        told = api.post("/cascades/five/forecast", asked)
        chat, sms = told["steps"][1:3]
        assert chat["messages"] == 0 and chat["passed"]["over_budget"] > 3, account
        assert sms["messages"] > 0 or not account
        assert told["cost_ranges"]["KZT"]["high"] <= 3_200 or account
        assert told["budget_left"] == {}, "of the cascade's own budget"
        played = api.post("/cascades/five/simulate", {**asked, "people": 10})["steps"]
        assert (played[1]["messages"], played[2]["messages"] > 0) == (0, True) or not account
        assert played[1]["skipped"]["over_budget"] > 3, account
    assert api.call("PATCH", "/policy", {"budgets": []}).status_code == 200


def _who_is_held_out_is_known_of_people_who_are_all_asked(api, text):
    """And is nobody else than whom the engine holds out; of a sample it is a chance."""
    assert api.call("PATCH", "/policy", {"holdout": {"service": 0}}).status_code == 200
    text = text.replace("class: service", "class: service\nholdout: 50%")
    version = prepare(0, 0, to_cascade(text, name="five.yaml"), Policy())
    with api.service.db.read() as tx:
        ids = everybody(tx, [1 << 62]).there.nonzero()[0].tolist()
    held = sum(share(version, contact_id, "holdout") < 5_000 for contact_id in ids)
    assert len(ids) == 10 and 0 < held < 10 and held != 5
    asked = {"definition": text, "everybody": True}
    told = api.post("/cascades/five/forecast", asked)
    assert (told["held_out"], told["steps"][0]["arrived"]) == (held, 10 - held)
    assert told["ranges"]["entered"] == {"low": 10 - held, "high": 10 - held}
    some = api.post("/cascades/five/forecast", {**asked, "sample": 5})
    assert some["held_out"] == 5 and some["ranges"]["entered"]["low"] < some["ranges"]["entered"]["high"]
    api.call("PATCH", "/policy", {"holdout": {}})


def _the_control_group_does_not_enter(api, text):
    """Of all advertising, that is: forecast and simulation hold the same people out as the engine refuses."""
    kept = api.call("PATCH", "/policy", {"control": {"share": 5_000}, "holdout": {"advertising": 0}})
    assert kept.status_code == 200, kept.text
    control = drawn(ControlGroup(share=5_000), "UTC")
    with api.service.db.read() as tx:
        ids = everybody(tx, [1 << 62]).there.nonzero()[0].tolist()
    held = sum(control.holds(contact_id, 1) for contact_id in ids)
    assert len(ids) == 10 and 0 < held < 10
    for kind, out in (("service", (0, 0)), ("advertising\ntopic: a", (held, 500))):
        asked = {"definition": text.replace("class: service", f"class: {kind}")}
        real = api.post("/cascades/five/forecast", {**asked, "everybody": True})
        assert (real["size"], real["sample"], real["held_out"]) == (10, 10, out[0])
        assert real["ranges"]["entered"] == {"low": 10 - out[0], "high": 10 - out[0]}
        assert real["steps"][0]["arrived"] == 10 - out[0]
        assert not any("control_group" in step["passed"] for step in real["steps"])
        told = api.post("/cascades/five/forecast", {**asked, "typical": True})
        assert (told["held_out"], told["steps"][0]["arrived"]) == (out[1], 1000 - out[1])
        played = api.post("/cascades/five/simulate", {**asked, "everybody": True, "people": 10})
        assert (played["held_out"], played["people"]) == (out[0], 10 - out[0])
    api.call("PATCH", "/policy", {"control": {}, "holdout": {}})


def _paused_steps_are_not_sent(api, text):
    """Forecast and simulation meet a paused step as the engine does; so they do of another definition."""
    api.post("/cascades/five/activate", {})
    api.post("/cascades/five/steps/sms/pause", {})
    told = api.post("/cascades/five/forecast", {"typical": True})
    assert [step["messages"] for step in told["steps"]] == [1000, 800, 0, 0] and told["reach"] == 0.6
    assert [step["notes"] for step in told["steps"]] == [[], [], ["paused"], []] and not told["over"]
    assert [step["arrived"] for step in told["steps"]] == [1000, 800, 400, 0] and told["silent"] == 0
    real = api.post("/cascades/five/forecast", {"everybody": True})
    assert real["steps"][2]["passed"] == {"no_address": 6, "step_paused": 4}
    played = api.post("/cascades/five/simulate", {"typical": True, "people": 300})
    waiting = played["steps"][2]["waiting"]
    assert waiting == played["under_way"] > 60 and [step["messages"] for step in played["steps"][2:]] == [
        0,
        0,
    ]
    assert {"step": "sms", "note": "paused"} in played["notes"]
    other = api.post("/cascades/five/forecast", {"definition": text.replace("Hi", "Ho"), "typical": True})
    assert other["steps"][2]["messages"] == 0 and other["steps"][2]["notes"] == ["paused"]
    other = api.post(
        "/cascades/five/forecast", {"definition": text.replace("id: sms", "id: more"), "typical": True}
    )
    assert other["steps"][2]["messages"] == 400

    api.post("/cascades/five/steps/sms/resume", {})
    api.post("/cascades/five/steps/sms/pause", {"skip": True})
    told = api.post("/cascades/five/forecast", {"typical": True})
    assert [step["messages"] for step in told["steps"]] == [1000, 800, 0, 400]
    assert told["steps"][2]["notes"] == ["passed_over"]
    api.post("/cascades/five/steps/sms/resume", {})


def test_what_has_happened_is_learnt_from_and_other_cascades_lend_their_figures(tmp_path):
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0")
    with attending(settings, "the tests") as service:
        _learnt(Api(service))


def _learnt(api):
    accounts(api)
    text = STEPS.replace("TEXT", "Hi")
    api.put("/cascades/five", content=text)
    api.post("/cascades/five/activate", {})
    at = int(time.time()) * 1_000
    with api.service.db.write() as tx:
        version = tx.one("cascade_by_slug", slug="five")[3]
        # Of 400 who got the letter 200 responded; of the rest 150 to the chat, 10 bought, 40 said nothing.
        for contact in range(1_000, 1_400):
            steps = 1 if contact < 1_200 else 2 if contact < 1_360 else 4
            outcome = 2 if contact < 1_350 else 1 if contact < 1_360 else 3
            tx.script(
                f"INSERT INTO contacts (id, created_at) VALUES ({contact}, 0);"
                "INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, "
                f"wake_at, due_at, entered_at, holdout, outcome) SELECT {contact}, 1, cascade_id, id, 0, 3, "
                f"3, 0, 0, NULL, 0, {at}, 0, {outcome} FROM versions WHERE id = {version};"
                f"INSERT INTO due_runs (keys) VALUES ('[{contact},1]')"
            )
            for step, channel in zip(range(steps), (1, 2, 8, 9), strict=False):
                tx.script(
                    "INSERT INTO messages (contact_id, run_id, step, channel, state, mask, account_id, "
                    f"price, cost) VALUES ({contact}, 1, {step}, {channel}, 4, 8, 1, 0, 0)"
                )
    told = api.post("/cascades/five/forecast", {"definition": text, "typical": True})
    assert told["basis"] == "own" and [step["seen"] for step in told["steps"]] == [400, 200, 40, 40]
    assert abs(told["steps"][0]["rate"] - 0.5) < 0.01
    _older_weeks_count_less(api, text)
    # Who is in the cascade's past and what they did there is also told under another name.
    other = text.replace("cascade: five", "cascade: six").replace("id: letter", "id: mail")
    lent = api.post("/cascades/six/forecast", {"definition": other, "typical": True})
    assert lent["basis"] == "others" and lent["steps"][0]["seen"] == 0
    assert 0.2 < lent["steps"][0]["rate"] < 0.5


def _older_weeks_count_less(api, text):
    """Of 400 who come now 40 % react, of those a year before half did: all alike, that would be 45 %."""
    at = int(time.time()) * 1_000
    with api.service.db.write() as tx:
        version = tx.one("cascade_by_slug", slug="five")[3]
        tx.script("UPDATE runs SET entered_at = entered_at - 31449600000")  # 52 weeks
        tx.script("INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',1]' FROM runs")
        for contact in range(2_000, 2_400):
            tx.script(
                f"INSERT INTO contacts (id, created_at) VALUES ({contact}, 0);"
                "INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, "
                f"wake_at, due_at, entered_at, holdout, outcome) SELECT {contact}, 1, cascade_id, id, 0, 3, "
                f"3, 0, 0, NULL, 0, {at}, 0, {2 if contact % 5 < 2 else 3} FROM versions "
                f"WHERE id = {version};"
                "INSERT INTO messages (contact_id, run_id, step, channel, state, mask, account_id, price, "
                f"cost) VALUES ({contact}, 1, 0, 1, 4, 8, 1, 0, 0);"
            )
        tx.script(
            "INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',1]' FROM runs WHERE contact_id >= 2000"
        )
    told = api.post("/cascades/five/forecast", {"definition": text, "typical": True})
    assert told["steps"][0]["seen"] == 800 and 0.4 < told["steps"][0]["rate"] < 0.43


def test_what_a_launch_was_expected_to_do_stands_beside_what_it_did(tmp_path, capsys):
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0", private_webhooks="yes")
    with attending(settings, "the tests") as service:  # which moves nothing by itself
        _launched(Api(service))
    assert run(["backtest", "--db", str(tmp_path / "k.db")]) == 0
    shown = capsys.readouterr().out
    assert "five · list eight" in shown and "├───" in shown and "●" in shown
    assert "2 of 2 figures of 1 launch or week that is over lie in their range (100%; 80% are to)" in shown
    assert "Too few launches and weeks to tell" in shown
    assert "Left out: 3 figures that came exactly as was certain beforehand" in shown
    with attending(settings, "the tests") as service:
        _launched_on_trial(Api(service))
    assert run(["backtest", "--db", str(tmp_path / "k.db")]) == 0
    assert "list eight, versions 1, 2 on trial" in capsys.readouterr().out


def _launched(api):
    accounts(api)
    text = STEPS.replace("TEXT", "Hi").replace("trigger: {event: x}", "trigger: {broadcast: all}")
    text = text.replace("class: service", "class: service\nbudget: {total: 0.50 KZT}")
    for number in range(8):
        address = {"channel": "email", "value": f"q{number}@example.org"}
        api.post("/contacts", {"external_id": f"q{number}", "addresses": [address]})
    api.post("/lists", {"name": "eight"})
    api.post("/lists/eight/members", {"contacts": [f"q{number}" for number in range(8)]})
    api.put("/cascades/five", content=text)
    api.post("/cascades/five/activate", {})
    assert api.get("/cascades/five/forecasts") == []
    launch = api.post("/cascades/five/launch", {"list": "eight"})
    (told,) = api.get("/cascades/five/forecasts")
    assert (told["launch"], told["audience"], told["over"]) == (launch["id"], "list eight", False)
    figures = {one["figure"]: one for one in told["figures"]}
    assert figures["entered"]["expected"] == 8 == figures["messages"]["expected"]
    assert figures["entered"]["happened"] == 0 == figures["cost"]["happened"]
    assert figures["cost"]["expected"] == 8 * 5 and figures["cost"]["currency"] == "KZT"
    with api.service.db.write() as tx:
        tx.script(
            "INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, "
            "wake_at, due_at, entered_at, holdout, outcome) SELECT m.contact_id, 1, v.cascade_id, v.id, 0, "
            "3, 3, 0, 0, NULL, 0, l.started_at, 0, CASE WHEN m.contact_id % 2 = 0 THEN 2 ELSE 3 END "
            "FROM launches l JOIN list_members m ON m.list_id = l.list_id "
            "JOIN versions v ON v.id = l.version_id WHERE l.forecast IS NOT NULL;"
            "INSERT INTO messages (contact_id, run_id, step, channel, state, mask, account_id, price, cost) "
            "SELECT contact_id, 1, 0, 1, 4, 8, 1, 5, 5 FROM runs WHERE entered_at > 0;"
            "UPDATE cascades SET reserved = 40;"
            "INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',1]' FROM runs;"
            "UPDATE launches SET state = 'done'"
        )
    (told,) = api.get("/cascades/five/forecasts")
    figures = {one["figure"]: one for one in told["figures"]}
    assert told["over"] and {name: one["happened"] for name, one in figures.items()} == {
        "entered": 8, "reached": 4, "silent": 4, "messages": 8, "cost": 40,
    }  # fmt: skip
    assert figures["messages"]["held"] and figures["reached"]["between"]["low"] < 2
    whole = api.get("/backtest")
    assert [one["launch"] for one in whole["launches"]] == [launch["id"]]
    assert whole == api.get("/backtest?cascade=five") and whole["calibration"]["verdict"] == "few"


def _launched_on_trial(api):
    """Launch while half of the people enter another version, without chat."""
    text = STEPS.replace("TEXT", "Hi").replace("trigger: {event: x}", "trigger: {broadcast: all}")
    api.put("/cascades/five", content="".join(line for line in text.splitlines(True) if "chat" not in line))
    trial = api.post("/cascades/five/trials", {"arms": [{"share": 50}]})
    launch = api.post("/cascades/five/launch", {"list": "eight"})
    with api.service.db.write() as tx:
        (running,) = trials.running(tx)
        kept = json.loads(tx._connection.execute(KEPT).fetchone()[0])
        assert kept["steps"] == kept["edges"] == [], "neither is told of one version as if of all"
        assert sum(kept["cost"].values()) > 0 and kept["budget_left"] == {"KZT": 10}
        (list_id,) = tx.one("list_by_name", name="eight")
        ids = [row[0] for row in tx.all("members", list_id=list_id, after=0, limit=10)]
        entered = {contact_id: running.trial.version_of(contact_id) for contact_id in ids}
        (at,) = [row[1] for row in tx.all("launches_by_version", version_id=running.base_id)][-1:]
        for contact_id, version_id in entered.items():  # who enters the second version reacts to it
            tx.script(
                "INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, "
                f"wake_at, due_at, entered_at, holdout, outcome) VALUES ({contact_id}, 2, "
                f"{running.cascade_id}, {version_id}, 0, 3, 3, 0, 0, NULL, 0, {at}, 0, "
                f"{3 if version_id == running.base_id else 2});"
                "INSERT INTO messages (contact_id, run_id, step, channel, state, mask, account_id, price, "
                f"cost) VALUES ({contact_id}, 2, 0, 1, 4, 8, 1, 5, 5);"
                f"INSERT INTO due_runs (keys) VALUES ('[{contact_id},2]');"
            )
        tx.script("UPDATE launches SET state = 'done'")
    tried = sum(version_id != running.base_id for version_id in entered.values())
    assert 0 < tried < 8 and trial["state"] == "running"
    told, before = api.get("/cascades/five/forecasts")
    assert (told["launch"], told["versions"], before["versions"]) == (launch["id"], [1, 2], [])
    assert told["uncounted"] == ["others"] and before["uncounted"] == []
    figures = {one["figure"]: one for one in told["figures"]}
    assert {name: one["happened"] for name, one in figures.items()} == {
        "entered": 8, "reached": tried, "silent": 8 - tried, "messages": 8, "cost": 40, "converted": 0,
    }  # fmt: skip
    assert figures["entered"]["expected"] == 8
    told_of = (
        tried + (8 - tried) // 4
    )  # who goes by the version with the budget: of ten tiyn a part, five each
    assert figures["messages"]["expected"] == told_of
    assert {one["figure"]: one["happened"] for one in before["figures"]}["reached"] == 4  # as before
    api.post("/cascades/five/steps/letter/pause", {"skip": True})
    api.post("/cascades/five/launch", {"list": "eight"})
    paused = {one["figure"]: one["expected"] for one in api.get("/cascades/five/forecasts")[0]["figures"]}
    assert paused["entered"] == 8 and paused["messages"] == 0  # in the version on trial too
    api.post("/lists", {"name": "nobody"})
    api.post("/cascades/five/launch", {"list": "nobody"})
    empty = {one["figure"]: one["expected"] for one in api.get("/cascades/five/forecasts")[0]["figures"]}
    assert empty["entered"] == 0 == empty["messages"]


def test_what_goes_after_a_change_of_price_is_counted_at_the_later_price(api):
    accounts(api)
    text = STEPS.replace("TEXT", "Hi").replace("class: service", "class: transactional")
    # A letter waits a day and a chat six hours: SMS and calls go after it.
    later = datetime.fromtimestamp(api.service.office.now() / 1000 + 26 * 3600, UTC).isoformat()
    file = f"country,per,price,valid_from,valid_until\n*,part,15,,{later}\n*,part,45,{later},\n"
    api.put("/accounts/sms/prices", content=file, headers={"Content-Type": "text/csv"})
    told = api.post("/cascades/five/forecast", {"definition": text})
    letter, _, sms, robot = told["steps"]
    assert sms["each"] == 4500 and abs(sms["cost"]["KZT"] / sms["messages"] - 4500) < 45
    assert "price_changes" in sms["notes"] and "price_changes" not in letter["notes"] + robot["notes"]
    # In another order, or with steps left out, it goes at another time, at the price of then.
    told = api.post("/cascades/five/optimize", {"definition": text, "typical": True, "order": "as-is"})
    spots = {tuple(spot["steps"]): spot for spot in told["spots"]}
    letter, chat, sms = (spots[name,]["cost"] for name in ("letter", "chat", "sms"))
    assert (letter, chat, sms) == (5, 1750, 1500)
    for before, price in ((("letter",), 1500), (("letter", "chat"), 4500)):
        less, more = spots[before], spots[*before, "sms"]
        paid = (more["messages"] - less["messages"]) * price
        assert paid > 0 and more["cost"] - less["cost"] == pytest.approx(paid, rel=1e-3)
    api.delete("/accounts/sms/prices")
