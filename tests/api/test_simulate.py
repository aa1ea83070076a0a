"""`kaskad simulate` and the API: the examples, each kind of expectation failing, the real base, one seed."""

import json
import re
from pathlib import Path

import pytest

from kaskad.actions import apart, simulate
from kaskad.actions.audience import Audience
from kaskad.actions.casting import Casting
from kaskad.cli.root import run
from kaskad.domain.definition import to_cascade
from kaskad.planning.scene import lived
from kaskad.planning.world_file import load

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = """cascade: three
class: service
trigger: {event: x}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: s, text: t}
  - {id: chat, channel: telegram, text: t}
  - {id: sms, channel: sms, text: Hi}
"""
WORLD = """
world: {people: 300, seed: 3, start: 2026-06-01T12:00+00:00, prices: {sms: 15 KZT},
  rates: {letter: 20%, chat: 50%, sms: 40%}, fails: {sms: 20%}}
"""
WRONG = (
    WORLD
    + """expect:
  reach: {at_least: 99%}
  messages: {at_most: 10}
  cost: {at_most: 1 KZT}
  touches: {at_most: 1}
  hours: [09:00-12:00, 13:00-15:00]
  finished: {50%: 1h, all: 2h}
  outcomes: {exhausted: {at_most: 1%}}
  channels: {sms: {messages: {at_most: 3}}}
  steps:
    letter: {messages: {at_most: 3}, reacted: {at_least: 90%}}
    sms: {failed: {at_most: 1}, cost: {at_most: 1 KZT}, skipped: {at_least: 50%}, latest: 1h}
  once_a_step: true
  in_windows: true
"""
)


@pytest.mark.parametrize("hours", ["T01:30+00:00", "T10:00+00:00, enter_over: 24h"])
def test_a_date_that_nobody_tells_lies_at_an_hour_at_which_the_steps_may_go(hours, tmp_path, capsys):
    file = tmp_path / "world.yaml"
    file.write_text(f"world: {{people: 200, start: 2026-06-01{hours}}}\n")
    run(["simulate", str(EXAMPLES / "webinar.yaml"), "--alone", "--expect", str(file), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {"step": "sms", "note": "date_assumed"} in found["notes"]
    assert [step["skipped"] for step in found["steps"]] == [{}] * 3
    assert found["steps"][2]["messages"] > 50


@pytest.mark.parametrize("name", ["abandoned-cart", "abandoned-cart.ru", "webinar", "webinar.ru"])
def test_the_examples_hold(name, capsys):
    told = ["--alone", "--expect", str(EXAMPLES / "expectations" / f"{name}.yaml"), "--people", "400"]
    run(["simulate", str(EXAMPLES / f"{name}.yaml"), *told, "--json"])
    found = json.loads(capsys.readouterr().out)
    missed = {one["path"] for one in found["checks"] if not one["holds"]}
    assert missed <= {"expect.steps.chat.messages"}, missed  # a bound on how many of a thousand people
    assert len(found["checks"]) > 6 and found["people"] == 400


def test_each_kind_of_expectation_is_seen_failing_and_told_with_its_line(tmp_path, capsys):
    cascade, file = tmp_path / "three.yaml", tmp_path / "wrong.yaml"
    cascade.write_text(STEPS)
    file.write_text(WRONG)
    asked = ["simulate", str(cascade), "--alone", "--expect", str(file)]
    assert run([*asked, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    missed = [one for one in told["checks"] if not one["holds"]]
    assert {one["path"] for one in told["checks"] if one["holds"]} == {
        "expect.once_a_step", "expect.in_windows",
    }  # fmt: skip
    assert len(missed) == 15 and all(one["got"] is not None for one in missed)
    assert run(asked) == 1
    shown = capsys.readouterr().out
    assert "15 of 17 expectations do not hold" in shown
    assert re.search(r"wrong\.yaml:5 +reach +at least 99\.00% +7\d\.\d\d%", shown)
    assert re.search(r"wrong\.yaml:7 +cost +at most ₸1 +₸", shown)
    assert re.search(r"wrong\.yaml:10 +finished\.50% +at most 1:00 +\d", shown)
    # The same seed is the same course, another one is not; a life is told with its reasons.
    again = _told([*asked, "--json", "--trace", "2"], capsys)
    assert {**again, "seconds": 0, "traces": []} == {**told, "seconds": 0}
    assert [one["what"] for one in again["traces"][0]][:2] == ["entered", "sent"]
    other = _told([*asked, "--json", "--seed", "4"], capsys)
    assert other["outcomes"] != told["outcomes"]


def test_a_cost_that_is_not_known_is_not_low_enough(tmp_path, capsys):
    cascade, file = tmp_path / "three.yaml", tmp_path / "costs.yaml"
    cascade.write_text(STEPS)
    expect = "expect: {cost: {at_most: 9000 KZT}, steps: {sms: {cost: {at_most: 9000 KZT}}}}\n"
    asked = ["simulate", str(cascade), "--alone", "--expect", str(file)]
    file.write_text(WORLD + expect)  # of letter and chat nothing tells a price
    assert run(asked) == 1
    assert re.search(r"1 of 2 .*\n.*\n.* cost +at most ₸9,000 +not known\n", capsys.readouterr().out)
    free = WORLD.replace("{sms: 15 KZT}", "{letter: 0 KZT, chat: 0 KZT, sms: 15 KZT}")
    file.write_text(free + expect)
    assert run(asked) == 0
    file.write_text(free + expect.replace("KZT", "RUB"))  # dearer than it may be, in roubles too
    assert run(asked) == 1
    assert "2 of 2 expectations do not hold" in capsys.readouterr().out


def _told(command, capsys):
    run(command)
    return json.loads(capsys.readouterr().out)


def test_all_that_is_wrong_with_a_file_is_told_at_once_with_its_place(tmp_path, capsys):
    text = """world:
  people: many
  zone: Mars/Base
  start: soon
  rates: {lettr: 20%}
  fails: {sms: 120%, chat: 60%}
  unanswered: {chat: 50%}
  busy: {sms: 1%}
  outages: [{channel: pigeon}]
  reacts_in: {sms: {spread: 9}}
  per_second: {sms: 0}
  desk: {hours: 22:00-02:00}
expect:
  reach: {at_least: much}
  cost: {at_least: 1 KZT, at_most: 2 RUB}
  messages: {}
  hours: 25:00-26:00
  finished: {soon: 2d}
"""
    found = load(text, to_cascade(STEPS, name="x"), name="x.yaml")
    assert found.wanted is None
    assert {problem.line for problem in found.problems} == {*range(2, 13), *range(14, 19)} - {7}
    cascade, file = tmp_path / "three.yaml", tmp_path / "x.yaml"
    cascade.write_text(STEPS)
    file.write_text(text)
    assert run(["simulate", str(cascade), "--alone", "--expect", str(file)]) == 1
    shown = capsys.readouterr().out
    assert "did you mean `letter`?" in shown and f"{file}:5:11: error" in shown
    file.write_text("expcet: {reach: {at_least: 75%}}\n")
    assert run(["simulate", str(cascade), "--alone", "--expect", str(file)]) == 1
    assert "`expcet` is not known in the file" in capsys.readouterr().out
    for text in ("", "# reach: {at_least: 75%}\n---\n"):
        file.write_text(text)
        capsys.readouterr()
        assert run(["simulate", str(cascade), "--alone", "--expect", str(file)]) == 2, (
            "else CI would pass for ever"
        )
        assert "is empty" in capsys.readouterr().err
    assert run(["simulate", str(cascade), "--alone", "--expect", "gone.yaml"]) == 2
    assert "--expect: gone.yaml" in capsys.readouterr().err
    cascade.write_text(STEPS.replace("sms, text", "smss, text"))
    assert run(["simulate", str(cascade), "--alone"]) == 1
    assert run(["simulate", "three", "--alone"]) == 2


def test_nothing_refuses_or_loses_calls_of_a_desk():
    cascade = to_cascade(STEPS + "  - {id: agent, channel: agent_call, script: Hi}\n", name="x")
    text = "world:\n  desk: {agents: 1}\n  busy: {agent: 1%}\n  fails: {sms: 1%, agent: 1%}\n"
    found = load(text, cascade, name="x.yaml")
    assert [(problem.line, problem.remedy) for problem in found.problems] == [
        (4, "write `busy` or `no_answer`")
    ]
    text = text.replace("  desk: {agents: 1}\n", "")
    assert load(text, cascade, name="x.yaml").wanted is not None
    (problem,) = load(text, cascade, name="x.yaml", desk=True).problems
    assert (problem.line, problem.message) == (3, "`fails` is not for calls of a desk, as the account's is")


def test_the_file_of_the_documentation_is_read():
    page = (EXAMPLES.parent / "docs/simulation.md").read_text("utf-8")
    (text,) = re.findall(r"```yaml\n(world:.*?)```", page, re.DOTALL)
    cascade = to_cascade((EXAMPLES / "abandoned-cart.yaml").read_text("utf-8"), name="x")
    found = load(text, cascade, name="x.yaml")
    assert found.wanted is not None and len(found.wanted.expected) == 18, found.problems


def test_the_real_base_is_played_in_a_process_of_its_own(api, monkeypatch, tmp_path, capsys):
    for number in range(10):
        addresses = [{"channel": "email", "value": f"p{number}@example.org"}]
        if number % 2:
            addresses.append({"channel": "telegram", "value": str(1000 + number)})
        zone = "Asia/Almaty" if number % 3 else "Europe/Berlin"
        api.post("/contacts", {"external_id": f"p{number}", "zone": zone, "addresses": addresses})
    hook = {"url": "http://127.0.0.1:1/"}
    told = {"provider": "generic_webhook", "settings": hook, "secrets": {"secret": "swordfish-swordfish"}}
    for channel, price in (("email", "0.05"), ("telegram", "17.5"), ("sms", "15")):
        api.put(f"/accounts/{channel}", {**told, "channel": channel, "price": f"{price} KZT"})
    asked = {"definition": STEPS, "everybody": True, "expectations": "expect: {reach: {at_least: 99%}}"}
    told = api.post("/cascades/three/simulate", {**asked, "people": 200, "start": "2026-06-01T12:00:00Z"})
    assert (told["audience"], told["size"], told["looked"], told["kinds"]) == ("everybody", 10, 10, 4)
    letter, chat, sms = told["steps"]
    assert letter["messages"] == 200 and chat["skipped"] == {"no_address": chat["arrived"] - chat["messages"]}
    assert sms["skipped"] == {"no_address": sms["arrived"]} and not told["holds"]
    assert told["cost"] == {"KZT": letter["messages"] * 5 + chat["messages"] * 1750}
    assert {"step": "", "note": "copied"} in told["notes"] and told["under_way"] == 0
    file = tmp_path / "three.yaml"
    file.write_text(STEPS)
    database = ["--db", api.service.db.name]
    assert run(["simulate", str(file), "--everybody", "--people", "50", *database]) == 0
    assert "everybody: 10 contacts, 50 played" in capsys.readouterr().out
    wrong = api.call("POST", "/cascades/three/simulate", {"definition": STEPS, "expectations": "expect: [1]"})
    assert wrong.status_code == 422 and "expectations:1:9" in wrong.text
    _calls_of_the_accounts_desk_are_not_refused(api)
    monkeypatch.setattr(apart, "LIMIT_S", 0.0)
    late = api.call("POST", "/cascades/three/simulate", {"definition": STEPS})
    assert late.status_code == 422 and "took over" in late.text
    _each_is_played_as_itself(api, monkeypatch)


def _calls_of_the_accounts_desk_are_not_refused(api):
    text = STEPS + "  - {id: agent, channel: agent_call, script: Hi}\n"
    asked = {"definition": text, "typical": True, "people": 20}
    fails = {"expectations": "world: {fails: {agent: 50%}}"}
    assert api.post("/cascades/three/simulate", {**asked, **fails})["steps"][3]["failed"]
    api.put("/accounts/desk", {"provider": "desk", "channel": "agent_call"})
    refused = api.call("POST", "/cascades/three/simulate", {**asked, **fails})
    assert refused.status_code == 422 and "as the account's is" in refused.text
    assert api.post("/cascades/three/simulate", asked)["steps"][3]["messages"]


def _each_is_played_as_itself(api, monkeypatch):
    """What the last look answers is asked once for all who are alike; asked about each, the lives are the
    same, and nobody is there twice."""
    for number in range(8):
        phone = {"channel": "sms", "value": f"+{(77011, 49301, 79001)[number % 3]}2345{number:02}"}
        mail = {"channel": "email", "value": f"q{number}@example.org"}
        told = {"addresses": [phone, mail][: 1 + number % 2], "country": ("KZ", "DE")[number % 2]}
        api.post("/contacts", {"external_id": f"q{number}", "attributes": {"n": number % 2}, **told})
        if number > 4:
            refusal = {"granted": False, "channels": ["email"]}
            assert api.call("POST", f"/contacts/q{number}/consents", refusal).status_code == 204
    office, text = api.service.office, STEPS.replace("text: Hi", "text: Hi, if: contact.n == 1")
    found = []
    for sharing in (True, False):
        if not sharing:
            monkeypatch.setattr(Casting, "_key", lambda self, seen, desk, run: (run.contact_id,))
        asked = simulate.Asked(text=text, whom=Audience(everybody=True), start=simulate.ALONE_START)
        found.append(simulate.prepared(office, "three", asked))
    lives = [lived(ready.scene).lives for ready in found]
    assert [len(ready.scene.sorts) for ready in found][1] == 18 > len(found[0].scene.sorts) > 6
    assert [life.run.contact_id for life in lives[0]] == list(range(1, 19))
    assert {life.sort.answers.zones[0] for life in lives[0]} >= {"Europe/Berlin", "Asia/Almaty"}
    for one, other in zip(*lives, strict=True):
        assert (one.run, one.passages, one.touched) == (other.run, other.passages, other.touched)
        assert (one.sort.answers, one.sort.contact) == (other.sort.answers, other.sort.contact)
