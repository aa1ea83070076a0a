"""The policy, what the law answers by it, and a cascade that it denies."""

import pytest

from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel
from support.api import Api
from support.shop import equip

PROMO = """
cascade: promo
title: Promo
class: advertising
holdout: 0%
trigger: {event: left}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
  - {id: chat, channel: telegram, text: Hello, wait: 6h}
  - {id: robot, channel: robot_call, say: Hello, wait: 2h}
"""


@pytest.fixture(autouse=True)
def fresh(api: Api) -> None:
    equip(api.service, "http://127.0.0.1:9/", *Channel)
    api.put("/policy", {})


def saved(api: Api, text: str) -> str:
    slug = text.split("cascade: ")[1].split()[0]
    api.put(f"/cascades/{slug}", content=text.encode(), headers={"Content-Type": "application/yaml"})
    return slug


def test_scenario_21_the_law_denies_an_advertising_cascade_and_names_its_article(api):
    api.call("PATCH", "/policy", {"country": "RU"})
    slug = saved(api, PROMO)
    answer = api.call("POST", f"/cascades/{slug}/activate")
    assert answer.status_code == 422
    told = [problem["detail"] for problem in answer.json()["problems"]]
    assert len(told) == 2 and "(chat)" in told[0] and "art. 5 (10.7)" in told[0]
    assert "(robot)" in told[1] and "art. 18 (2)" in told[1]
    assert api.post(f"/cascades/{slug}/plan")["missing"] == told


def test_scenario_21_the_same_as_a_service_is_allowed_unless_the_sender_is_restricted(api):
    api.call("PATCH", "/policy", {"country": "RU"})
    service = PROMO.replace("advertising", "service").replace("promo", "notes")
    assert api.post(f"/cascades/{saved(api, service)}/activate")["state"] == "active"
    api.call("PATCH", "/policy", {"tenant": ["no_foreign_messengers"]})
    again = service.replace("notes", "notes-of-a-bank")
    answer = api.call("POST", f"/cascades/{saved(api, again)}/activate")
    assert answer.status_code == 422 and "ru-foreign-messengers" in answer.text


def test_what_is_spared_abroad_is_told_before(api):
    api.call("PATCH", "/policy", {"country": "KZ"})
    api.put("/contacts/ivan", {"country": "RU"})
    plan = api.post(f"/cascades/{saved(api, PROMO)}/plan")
    assert plan["ok"] and [line.split(" is left out")[0] for line in plan["spared"]] == [
        "Step 2 (chat)",
        "Step 3 (robot)",
    ]


def test_a_policy_is_changed_and_shown(api):
    assert api.get("/policy")["zone"] == "UTC"
    assert api.call("PATCH", "/policy", {"zone": "Asia/Almaty", "country": "KZ"}).json()["country"] == "KZ"
    assert api.get("/policy")["zone"] == "Asia/Almaty"
    assert api.service.engine.world.versions == {} or all(
        version.policy.zone == "Asia/Almaty" for version in api.service.engine.world.versions.values()
    )
    assert api.put("/policy", {"country": "RU"})["zone"] == Policy().zone


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"zone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"country": "Russia"}, "two capital letters"),
        ({"tenant": ["shop"]}, "no_foreign_messengers"),
        ({"set_aside": ["nothing"]}, "no law"),
        ({"windows": [{"hours": ["9-21"]}]}, "09:00-21:00"),
        ({"colour": "red"}, "colour"),
        ({"caps": "many"}, "caps"),
    ],
)
def test_a_wrong_policy_is_refused_and_changes_nothing(api, told, says):
    before = api.get("/policy")
    answer = api.call("PATCH", "/policy", told)
    assert answer.status_code == 422 and says in answer.text
    assert api.get("/policy") == before


def test_the_law_is_asked(api):
    found = api.get("/law?country=RU&channel=robot_call&class=advertising")["items"]
    assert found == [{"country": "RU", "channel": "robot_call", "class": "advertising", "verdict": "deny",
                      "rules": ["ru-ads-consent", "ru-ads-robot"], "windows": []}]  # fmt: skip
    assert len(api.get("/law")["items"]) == 6 * 12 * 4
    before = api.get("/law?country=RU&channel=telegram&class=advertising&day=2025-08-31")["items"]
    assert before[0]["verdict"] == "consent"
    rules = {one["id"]: one for one in api.get("/law/rules")["items"]}
    assert rules["ru-ads-restricted-resources"]["settled"] is False
