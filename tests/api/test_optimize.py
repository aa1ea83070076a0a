"""Optimisation over the API and as a command: proposals with reasons, and answers where little is known."""

import json
import re
import time

import pytest

from kaskad.cli import forecast, optimize, simulate
from kaskad.cli.root import run
from kaskad.config import Settings
from kaskad.web.service import attending
from support.api import Api
from support.came import CART, accounts, came, reacted_late, said_no
from support.counted import counting_held


def test_a_better_order_and_shorter_waits_are_proposed_and_become_a_draft(api, tmp_path, capsys):
    accounts(api)
    api.put("/cascades/cart", content=CART)
    api.post("/cascades/cart/activate", {})
    came(api, "cart")
    asked = {"typical": True, "value": "500 KZT", "fades": "24h", "target_reach": 0.7}
    told = api.post("/cascades/cart/optimize", asked)
    assert (told["basis"], told["currency"], told["notes"]) == ("own", "KZT", [])
    assert told["compared"] == 9  # of 15 orders those with nothing before the letter
    assert abs(told["today"]["reach"] - 0.7375) < 0.01 and told["today"]["steps"] == [
        "letter",
        "robot",
        "chat",
    ]
    assert [step["seen"] for step in told["steps"]] == [400, 300, 210]
    order, waits = told["proposals"]
    assert order["ready"] and order["order"] == ["letter", "chat", "robot"]
    assert {(one["kind"], one["step"], one["becomes"]) for one in order["changes"]} == {
        ("moved", "robot", "3"), ("moved", "chat", "2"),
    }  # fmt: skip
    cost = order["figures"]["cost"]
    assert cost["change"]["high"] < 0 and cost["proposed"] < cost["now"] - 300
    assert order["figures"]["reach"]["proposed"] > 0.7
    # By hand: 5 + 0.75 (3750 + 0.7 x 1750) = 3736 a person now.
    assert abs(cost["now"] - 3736) < 30
    assert order["definition"].index("chat") < order["definition"].index("robot")
    assert "# a letter, since it costs nothing" in order["definition"]
    # Reactions to the letter halve each hour: long before 24 hours waiting costs more than it saves.
    letter = told["waits"][0]
    assert (letter["step"], letter["people"], letter["reactions"]) == ("letter", 400, 100)
    assert letter["wait_hours"] == 24 and 4 <= letter["proposed_hours"] <= 8 and waits["ready"]
    assert waits["figures"]["hours"]["proposed"] < waits["figures"]["hours"]["now"] - 5
    assert waits["figures"]["cost"]["proposed"] >= waits["figures"]["cost"]["now"]
    assert f"for: {waits['waits']['letter']}" in waits["definition"] and "from: opened" in waits["definition"]
    assert told["waits"][2]["why"] == "nothing follows it"
    # What brings people for next to nothing goes only because of the time that it takes, and that is said.
    hasty = api.post("/cascades/cart/optimize", {"typical": True, "value": "500 KZT", "fades": "6h"})
    (first, *_) = hasty["proposals"][0]["changes"]
    assert (first["kind"], first["step"]) == ("left_out", "letter")
    assert first["why"] == "waiting for it delays what comes after by more than it is worth"
    # Where people say no in the chat, more of them would.
    said_no(api, 5)
    (order, _) = api.post("/cascades/cart/optimize", asked)["proposals"]
    assert not order["ready"] and "More people would say no" in order["hindrances"][0]
    # And where one chat was reported as spam: with more chats that is over 0.1 % of all messages.
    said_no(api, 1, outcome=6)
    (order, _) = api.post("/cascades/cart/optimize", asked)["proposals"]
    assert not order["ready"] and "reported as spam" in order["hindrances"][-1], order["hindrances"]
    said_no(api, 0)
    # Nothing has changed; --draft makes it the draft.
    assert api.get("/cascades/cart")["draft"] is None
    file = tmp_path / "better.yaml"
    db = ["--db", api.service.db.name]
    assert (
        run(["optimize", "cart", "--typical", "--target-reach", "70%", "--write", str(file), "--draft", *db])
        == 0
    )
    shown = capsys.readouterr().out
    assert "chat: from place 3 to place 2" in shown and "◆ today" in shown and "NOW (P10 TO P90)" in shown
    assert api.get("/cascades/cart")["draft"]["source"] == file.read_text()
    assert api.post("/cascades/cart/plan")["ok"]
    assert run(["optimize", "cart", "--typical", "--json", *db]) == 0  # by the draft now: as good as it gets
    again = json.loads(capsys.readouterr().out)
    assert again["today"]["steps"] == ["letter", "chat", "robot"] and again["proposals"] == []
    assert run(["optimize", "cart", "--typical", "--draft", *db]) == 1
    # Where many react to the letter when the call is on its way, waiting for them saves their calls; not so
    # where the delay costs more.
    reacted_late(api, 60)
    asked = {"definition": CART, "typical": True, "order": "as-is", "value": "500 KZT", "fades": "60d"}
    (letter, robot, _), told = _waits(api, asked)
    assert letter["proposed_hours"] == 28 and "which they need not get" in letter["why"]
    assert letter["spared"] == pytest.approx(60 / 300, abs=0.01)
    # By hand: of 0.75 who are silent a fifth are spared a call of 37.50, a tenth a chat that 0.7 get.
    assert letter["extra_cost"] == pytest.approx(-0.75 * (0.2 * 3750 + 0.1 * 0.7 * 1750), rel=0.1)
    (waits,) = [one for one in told["proposals"] if one["name"] == "waits"]
    assert waits["ready"] and waits["waits"]["letter"] == "28h" and "for: 28h" in waits["definition"]
    cost, hours = waits["figures"]["cost"], waits["figures"]["hours"]
    assert cost["proposed"] == pytest.approx(cost["now"] + letter["extra_cost"] + robot["extra_cost"])
    assert 0 < hours["proposed"] - hours["now"] < 8
    assert "20 % of those silent at letter" in waits["cautions"][0]
    assert "not played" in waits["cautions"][-1]
    file.write_text(CART)
    wished = ["--typical", "--order", "as-is", "--value", "500 KZT", "--fades", "60d"]
    assert run(["optimize", str(file), *wished, *db]) == 0
    assert "letter: waits 28h instead of" in capsys.readouterr().out
    (letter, _, _), told = _waits(api, {**asked, "fades": "24h"})
    assert letter["proposed_hours"] < 12
    # Those who have entered are the audience of a trigger that names nobody; none of them has an address.
    entered = api.post("/cascades/cart/optimize", {"definition": CART})
    assert (entered["audience"], entered["size"]) == ("those who have entered so far", 400)
    assert entered["proposals"] == [] and "No step can be sent" in entered["notes"][0]


def _waits(api, asked):
    told = api.post("/cascades/cart/optimize", asked)
    return told["waits"], told


ASKED = (
    ("GET", "/control", None), ("GET", "/backtest", None), ("GET", "/cascades/held/forecasts", None),
    ("POST", "/cascades/held/optimize", {"typical": True}),
    ("POST", "/cascades/held/optimize", {"typical": True, "order": "free"}),
    ("POST", "/cascades/held/forecast", {"typical": True}),
    ("POST", "/cascades/held/launch/preview", {"everybody": True}),
    ("GET", "/cascades/held/figures/export", None), ("GET", "/cascades/held/report/export", None),
    ("POST", "/cascades/held/simulate", {"typical": True, "people": 20}),
)  # fmt: skip


def test_what_is_reckoned_holds_no_request_up_and_is_asked_for_again(api, monkeypatch):
    text = CART.replace("cascade: cart", "cascade: held").replace("{event: cart_left}", "{broadcast: all}")
    accounts(api)
    api.put("/cascades/held", content=text)
    api.post("/cascades/held/activate", {})
    keys = [{"Idempotency-Key": f"held {number}"} for number in range(len(ASKED))]
    asked = list(zip(ASKED, keys, strict=True))
    with counting_held(monkeypatch) as there:
        for _ in range(2):
            for (method, path, body), headers in asked:
                answer = api.call(method, path, body, headers=headers)
                assert (answer.status_code, answer.headers.get("retry-after")) == (202, "1"), path
        assert not [one for one in _optimized(api) if one["object"] == "held"], "noted before it was done"
        there.set()
    found = [api.call(method, path, body, headers=headers) for (method, path, body), headers in asked]
    assert [answer.status_code for answer in found] == [200] * len(ASKED)
    assert [answer.json()["compared"] for answer in found[3:5]] == [9, 15], "one body, the other's answer"
    assert len([one for one in _optimized(api) if one["object"] == "held"]) == 2


def test_nothing_that_was_reckoned_of_what_was_before_is_answered(api, monkeypatch):
    text = CART.replace("cascade: cart", "cascade: held").replace("{event: cart_left}", "{broadcast: all}")
    accounts(api)
    other = f"{text.partition('steps:')[0]}steps:\n  - {{id: only, channel: email, subject: Hi, text: t}}\n"
    forecast, better = "/cascades/held/forecast", "/cascades/held/optimize"
    with counting_held(monkeypatch) as there:
        there.set()
        for saved, steps in ((text, ["letter", "robot", "chat"]), (other, ["only"])):
            revision = api.put("/cascades/held", content=saved)["revision"]
            assert [one["step"] for one in _asked(api, forecast, {"typical": True})["steps"]] == steps
            assert _asked(api, better, {"typical": True})["revision"] == revision
        there.clear()
        vips, everybody = {"list": "late"}, {"everybody": True}
        assert {api.call("POST", forecast, body).status_code for body in (vips, everybody)} == {202}
        there.set()
        api.post("/lists", {"name": "late"})
        assert _asked(api, forecast, vips)["audience"] == "list late"
        _who_was_put_on_a_list_is_counted(api, there, forecast, text)
        assert api.call("PATCH", "/policy", {"zone": "Europe/Moscow"}).status_code == 200
        assert api.call("POST", forecast, everybody).status_code == 202, "by another policy"


def _who_was_put_on_a_list_is_counted(api, there, forecast, text):
    """Whether the list is named or the trigger's; who is told to ask again gets no answer of before."""
    api.post("/contacts", {"external_id": "one"})
    own = {"definition": text.replace("{broadcast: all}", "{broadcast: late}")}
    for size, put in ((1, True), (0, False)):
        there.clear()
        bodies = [{"list": "late"}, own]
        assert {api.call("POST", forecast, body).status_code for body in bodies} == {202}
        there.set()
        time.sleep(0.3)  # it is there now, of the list as it was
        way = ("POST", "/lists/late/members") if put else ("POST", "/lists/late/members/remove")
        assert api.call(*way, {"contacts": ["one"]}).status_code < 300
        assert [_asked(api, forecast, body)["size"] for body in bodies] == [size, size]


def _asked(api, path, body):
    while (answer := api.call("POST", path, body)).status_code == 202:
        time.sleep(0.02)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _optimized(api):
    return [one for one in api.get("/audit")["items"] if one["action"] == "POST /cascades/{slug}/optimize"]


def test_what_is_not_known_is_said(tmp_path, capsys):
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0", private_webhooks="yes")
    with attending(settings, "the tests") as service:
        _unknown(Api(service), capsys)


def _unknown(api, capsys):
    text = CART.replace("cascade: cart", "cascade: new")
    accounts(api, priced=False)
    told = api.post("/cascades/new/optimize", {"definition": text})
    assert "messages are counted" in told["notes"][0] and told["currency"] == ""
    assert abs(told["today"]["cost"] - (1 + 0.8 + 0.8 * 0.6)) < 0.01  # messages
    (order,) = told["proposals"]
    assert any(re.search(r"costs [0-9.]+ messages there, [0-9.]+ messages where", one["why"])
               for one in order["changes"])  # fmt: skip
    accounts(api)
    told = api.post("/cascades/new/optimize", {"definition": text})
    assert told["basis"] == "prior" and told["waits"] == []
    (order,) = told["proposals"]
    assert not order["ready"] and "only figures of the field" in order["hindrances"][0]
    # A push of which nothing is known, one person, nobody, a limit that nothing keeps, another currency.
    push = text.replace("channel: telegram", "channel: push")
    told = api.post("/cascades/new/optimize", {"definition": push, "typical": True})
    assert "chat" in told["notes"][0] and "chat" in told["notes"][1]
    one = {"external_id": "one", "addresses": [{"channel": "email", "value": "one@example.org"}]}
    api.post("/contacts", one)
    told = api.post("/cascades/new/optimize", {"definition": text, "everybody": True})
    assert (told["size"], told["today"]["messages"]) == (1, 1) and told["sorts"][0]["steps"] == ["letter"]
    robot = told["steps"][1]
    assert (robot["open"], robot["rate"], robot["price"], robot["each_reached"]) == (0, None, None, None)
    poor = text.replace("class:", "budget: {total: 0 KZT}\nclass:", 1)
    told = api.post("/cascades/new/optimize", {"definition": poor, "everybody": True})
    assert "What is left of budgets is not counted" in told["notes"][-1]
    optimize._print(told)
    assert re.search(r"^robot +robot_call +0% +\? ", capsys.readouterr().out, re.MULTILINE)
    optimize._print({**told, "compared": 1})
    assert "; 1 order compared\n" in capsys.readouterr().out
    api.post("/lists", {"name": "empty"})
    told = api.post("/cascades/new/optimize", {"definition": text, "list": "empty"})
    assert told["notes"] == ["There is nobody in this audience."] and told["proposals"] == []
    optimize._print(told)
    forecast._print(api.post("/cascades/new/forecast", {"definition": text, "list": "empty"}))
    simulate._print(api.post("/cascades/new/simulate", {"definition": text, "list": "empty"}), "")
    said = "".join(line for line in capsys.readouterr().out.splitlines(True) if "[info" not in line)  # no log
    assert said.count("There is nobody in this audience") == 3 and said.count("\n") == 6  # and no figures
    told = api.post("/cascades/new/optimize", {"definition": text, "typical": True, "target_reach": 0.99})
    assert told["notes"] == ["No order of these steps keeps all limits."] and told["mixed"] is None
    for asked, said in (
        ({"value": "5 EUR"}, "Prices are in KZT"), ({"value": "five"}, "not an amount"),
        ({"fades": "q"}, "q"),
    ):  # fmt: skip
        wrong = api.call("POST", "/cascades/new/optimize", {"definition": text, "typical": True, **asked})
        assert wrong.status_code == 422 and said in wrong.text
    # What has a date or a branch stays where it is.
    fixed = text.replace("say: t}", "say: t, at: {on: day 3}}") + (
        "  - {id: more, channel: sms, text: t, only: branch}\nbranches:\n"
        "  - {when: letter.replied, go: more}\n"
    )
    told = api.post("/cascades/new/optimize", {"definition": fixed, "typical": True, "order": "free"})
    assert [step["fixed"] for step in told["steps"]] == ["branch", "anchor", ""], told["steps"]
    assert told["compared"] == 2 and told["proposals"] == []
