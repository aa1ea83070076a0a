"""Scenario 23: before a launch the plan says who gets two parts, what it costs and where the budget stops."""

import json

import pytest

from kaskad.cli.root import run

SMS = '"{{ contact.name | default: "друг" }}, «Лавка» — ваша корзина ждёт вас до завтра"'
PLAN = """cascade: carts
title: Carts
class: service
trigger: {broadcast: all}
budget: {total: 300 KZT}
goal: {event: bought}
steps:
  - {id: note, channel: sms, text: TEXT, wait: 1h}
  - {id: chat, channel: telegram, text: "{{ contact.city }}: {{ trigger.code }}", wait: 1h}
""".replace("TEXT", SMS.replace('"{{', "'{{").replace('завтра"', "завтра'"))


@pytest.fixture(scope="module")
def audience(api):
    hook = {"url": "http://127.0.0.1:1/"}
    price = "7 KZT per part"
    told = {"provider": "generic_webhook", "settings": hook, "secrets": {"secret": "swordfish-swordfish"}}
    api.put("/accounts/sms", {**told, "channel": "sms", "price": price})
    api.put("/accounts/tg", {**told, "channel": "telegram"})
    for number in range(50):
        name = "А" * 30 if number in (7, 33) else "Ян"
        api.post("/contacts", {
            "external_id": f"c{number}",
            "attributes": {"name": name, **({"city": "Алматы"} if number else {})},
            "addresses": [{"channel": "sms", "value": f"+7700000{number:04}"},
                          {"channel": "telegram", "value": str(1000 + number)}],
        })  # fmt: skip
    return api


def test_scenario_23_the_plan_shows_who_gets_two_parts_and_what_it_costs(audience, tmp_path, capsys):
    told = audience.post("/cascades/carts/audience", {"definition": PLAN})
    assert (told["of"], told["size"], told["sample"]) == ("everybody", 50, 50)
    note, chat = (one["found"] for one in told["steps"])
    assert (note["parts"], note["longest"]["parts"]) == ({"1": 48, "2": 2}, 2)
    assert (note["price"], told["cost"]) == (52 * 700, [{"minor": 52 * 700, "currency": "KZT"}])
    assert (chat["written"], chat["lacks"][0]["variable"], chat["lacks"][0]["stopped"]) == (
        49,
        "contact.city",
        1,
    )
    assert chat["stand_ins"] == ["trigger.code"]
    words = " ".join(told["warnings"])
    assert "note (sms): 4 % get two parts or more, at most 2; each is paid." in words
    assert "the budget stops at ₸300: 82 % of that" in words and "chat (telegram): 2 % of those" in words

    file = tmp_path / "carts.yaml"
    file.write_text(PLAN)
    assert run(["plan", str(file), "--contacts", "20", "--db", audience.service.db.name]) == 0
    shown = capsys.readouterr().out
    assert (
        "everybody: 50 contacts, of whom 20 were looked at" in shown
        and "whole audience costs at most" in shown
    )
    assert run(["plan", str(file), "--segment", "vip", "--db", audience.service.db.name]) == 1
    assert "There is no segment 'vip'" in capsys.readouterr().err
    assert run(["plan", str(file), "--contacts", "50", "--json", "--db", audience.service.db.name]) == 0
    assert json.loads(capsys.readouterr().out)["audience"]["sample"] == 50
