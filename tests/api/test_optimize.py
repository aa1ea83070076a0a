"""Optimisation over the API and as a command: proposals with reasons, and answers where little is known."""

import json
import math

from kaskad.cli.root import run
from kaskad.config import Settings
from kaskad.web.service import attending
from support.api import Api

PRICES = {"email": 0.05, "telegram": 17.5, "sms": 15, "robot_call": 37.5}
TEXT = """cascade: cart
class: service
trigger: {event: cart_left}
goal: {event: bought}
steps:
  # a letter, since it costs nothing
  - {id: letter, channel: email, subject: s, text: t}
  - {id: robot, channel: robot_call, say: t}
  - {id: chat, channel: telegram, text: t, wait: 6h}
"""
HOUR = 3_600_000


def accounts(api, priced=True):
    told = {
        "provider": "generic_webhook", "settings": {"url": "http://127.0.0.1:1/"},
        "secrets": {"secret": "swordfish-swordfish"},
    }  # fmt: skip
    for channel, price in PRICES.items():
        own = {"price": f"{price} KZT"} if priced else {}
        api.put(f"/accounts/{channel}", {**told, "channel": channel, **own})


def came(api, slug):
    """Let 400 people have come: 100 clicked the letter (most within hours), 90 took the call, 105 answered in
    the chat, 105 said nothing."""
    ways = [*[(1, 2)] * 100, *[(2, 2)] * 90, *[(3, 2)] * 105, *[(3, 3)] * 105]
    with api.service.db.write() as tx:
        version = tx.one("cascade_by_slug", slug=slug)[3]
        for n, (steps, outcome) in enumerate(ways):
            contact, at, ends = 2_000 + n, 1_000 * HOUR, 1_040 * HOUR
            sent = [at, at + 24 * HOUR, at + 26 * HOUR]
            tx.script(
                f"INSERT INTO contacts (id, created_at) VALUES ({contact}, 0);"
                "INSERT INTO runs (contact_id, id, cascade_id, version_id, slot, state, phase, step, seq, "
                f"wake_at, due_at, entered_at, finished_at, holdout, outcome) SELECT {contact}, 1, "
                f"cascade_id, id, 0, 3, 3, 0, 0, NULL, 0, {at}, {ends}, 0, {outcome} FROM versions "
                f"WHERE id = {version};"
                f"INSERT INTO due_runs (keys) VALUES ('[{contact},1]')"
            )
            for step, channel in zip(range(steps), (1, 9, 2), strict=False):
                mask = 1 << 6 if outcome == 2 and step == steps - 1 else 0
                tx.script(
                    "INSERT INTO messages (contact_id, run_id, step, channel, state, mask, account_id, "
                    f"price, cost, sent_at, submitted_at) VALUES ({contact}, 1, {step}, {channel}, 4, "
                    f"{mask}, 1, 0, 0, {sent[step]}, {sent[step]})"
                )
                if mask:  # after an hour half of those who ever do have reacted, after two three quarters
                    took = round(-math.log2(1 - (n % 90 + 0.5) / 90) * HOUR)
                    tx.script(
                        "INSERT INTO facts (contact_id, run_id, step, kind, at, event) VALUES "
                        f"({contact}, 1, {step}, 6, {sent[step] + took}, 'e')"
                    )


def said_no(api, people):
    """Let so many of those who were silent in the chat have opted out instead."""
    with api.service.db.write() as tx:
        tx.script(
            f"UPDATE runs SET outcome = CASE WHEN contact_id < {2_295 + people} THEN 5 ELSE 3 END "
            "WHERE contact_id >= 2295;"
            "INSERT INTO due_runs (keys) SELECT '[' || contact_id || ',1]' FROM runs"
        )


def test_a_better_order_and_shorter_waits_are_proposed_and_become_a_draft(api, tmp_path, capsys):
    accounts(api)
    api.put("/cascades/cart", content=TEXT)
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
    # Where people say no in the chat, more of them would.
    said_no(api, 5)
    (order, _) = api.post("/cascades/cart/optimize", asked)["proposals"]
    assert not order["ready"] and "More people would say no" in order["hindrances"][0]
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
    # Those who have entered are the audience of a trigger that names nobody; none of them has an address.
    entered = api.post("/cascades/cart/optimize", {"definition": TEXT})
    assert (entered["audience"], entered["size"]) == ("those who have entered so far", 400)
    assert entered["proposals"] == [] and "No step can be sent" in entered["notes"][0]


def test_what_is_not_known_is_said(tmp_path):
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0", private_webhooks="yes")
    with attending(settings, "the tests") as service:
        _unknown(Api(service))


def _unknown(api):
    text = TEXT.replace("cascade: cart", "cascade: new")
    accounts(api, priced=False)
    told = api.post("/cascades/new/optimize", {"definition": text})
    assert "messages are counted" in told["notes"][0] and told["currency"] == ""
    assert abs(told["today"]["cost"] - (1 + 0.8 + 0.8 * 0.6)) < 0.01  # messages
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
    api.post("/lists", {"name": "empty"})
    told = api.post("/cascades/new/optimize", {"definition": text, "list": "empty"})
    assert told["notes"] == ["There is nobody in this audience."] and told["proposals"] == []
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
