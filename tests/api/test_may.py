"""Why a person may or may not be sent each step now: what is told, and that what happens agrees with it."""

import json
from collections.abc import Iterator

import pytest

from kaskad.cli.screens.may import may_lines
from kaskad.domain.terms import Channel
from kaskad.store import contacts, suppressions
from support.faults import until
from support.shop import Taker, equip, people, taking

CASCADE = """cascade: promo
class: advertising
topic: news
holdout: 0%
trigger: {event: joined}
steps:
  - {id: letter, channel: email, subject: News, text: Hello, wait: 1h}
  - {id: chat, channel: telegram, text: Hello, wait: 1h}
  - {id: sms, channel: sms, text: Hello, if: "trigger.total > 100", wait: 1h}
"""
OPEN = {"windows": [], "caps": [], "run_gap_ms": {}, "min_gap_ms": {}, "country": "KZ"}


NO_NEWS = {"granted": False, "topic": "news", "proof": {"source": "call"}}


def contact(name, **more):
    return {
        "external_id": name, "email": f"{name}@example.org", "zone": "UTC",
        "addresses": [{"channel": "telegram", "value": f"70000{ord(name[0])}"}],
        "consents": [{"granted": True, "proof": {"source": "form", "text": "I agree"}}], **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def taker(api) -> Iterator[Taker]:
    with taking() as taker:
        equip(api.service, taker.url, Channel.EMAIL, Channel.TELEGRAM, Channel.SMS)
        people(api.service, "zoe")
        api.put("/policy", OPEN)
        api.put("/cascades/promo", content=CASCADE)
        api.post("/cascades/promo/activate")
        yield taker


def asked(api, who, cascade="promo", **query):
    return api.get(f"/contacts/{who}/may", params={"cascade": cascade, **query})


def step(told, number=0):
    found = told["steps"][number]
    return found, found["channels"][0]


def test_a_person_who_agreed_may_be_sent_it_with_the_proof(api, taker):
    api.post("/contacts", contact("ann"))
    told = asked(api, "ann")
    letter, email = step(told)
    assert told["zones"]["confidence"] == "certain" and "(certain, by told)" in next(may_lines(told))
    assert (told["entry"], letter["verdict"], letter["channel"]) == ("", "send", "email")
    assert (email["address"], email["refused"], email["note"]) == ("ann@example.org", None, "agreed")
    assert email["consent"]["proof"] == {"act": "api", "source": "form", "text": "I agree"}
    sms, _ = step(told, 2)
    assert (sms["verdict"], sms["why"].startswith("condition false")) == ("skip", True)
    sms, line = step(asked(api, "ann", trigger=json.dumps({"total": 500})), 2)
    assert (sms["verdict"], sms["why"], line["address"]) == ("skip", "no address", None)


@pytest.mark.parametrize(
    ("name", "more", "why", "note"),
    [
        ("cid", {"consents": []}, "no consent", "no consent is known"),
        ("dan", {"consents": [NO_NEWS]}, "no consent", "refused"),
        ("eve", {"country": "RU"}, "send", "agreed"),
    ],
)  # fmt: skip
def test_what_happens_is_what_was_told(api, taker, name, more, why, note):
    api.post("/contacts", contact(name, **more))
    told = asked(api, name)
    letter, email = step(told)
    assert email["note"] == note and (letter["why"] or letter["verdict"]) == why
    api.post("/events", {"id": f"e-{name}", "name": "joined", "contact": {"external_id": name}})
    until(lambda: api.get("/messages", params={"contact": name})["items"], 30)
    states = {m["step"]: m for m in api.get("/messages", params={"contact": name})["items"]}
    skipped = states["letter"]["state"] == "skipped"
    assert skipped == (letter["verdict"] == "skip")


def test_the_law_is_named_with_its_article(api, taker):
    api.post("/contacts", contact("fay", country="RU"))
    chat, telegram = step(asked(api, "fay"), 1)
    assert chat["verdict"] == "skip" and telegram["refused"] == "policy_denied"
    assert "38-FZ" in chat["why"] and any(rule.startswith("deny: 38-FZ") for rule in telegram["law"])


def test_a_suppressed_address_and_a_person_who_is_in(api, taker):
    api.post("/contacts", contact("gil"))
    api.post(
        "/contacts/gil/suppress",
        {"reason": "manual", "addresses": [{"channel": "email", "value": "gil@example.org"}]},
    )
    letter, email = step(asked(api, "gil"))
    assert (letter["why"], email["health"]) == ("suppressed", "suppressed")
    api.post("/events", {"id": "e-gil", "name": "joined", "contact": {"external_id": "gil"}})
    until(lambda: api.get("/runs", params={"contact": "gil"})["items"], 30)
    assert asked(api, "gil")["entry"] == "already in"


def test_a_consent_without_proof_is_none_for_advertising(api, taker):
    def change(tx):
        address = contacts.Address(Channel.EMAIL, "bea@example.org")
        told = contacts.Contact(external_id="bea", addresses=[address],
                                consents=[contacts.Consent(granted=True, at=1)])  # fmt: skip
        return contacts.upsert(
            tx, suppressions.hash_key(tx, api.service.vault), [told], api.service.office.now()
        )

    api.service.office.write(change)
    letter, email = step(asked(api, "bea"))
    assert (letter["why"], email["note"]) == (
        "no consent", "agreed, but without a proof: that is none for advertising"
    )  # fmt: skip


def test_windows_and_caps_say_until_when(api, taker):
    api.post("/contacts", contact("hal"))
    api.post("/events", {"id": "e-hal", "name": "joined", "contact": {"external_id": "hal"}})
    until(
        lambda: any(m["state"] == "sent" for m in api.get("/messages", params={"contact": "hal"})["items"]),
        30,
    )
    closed = [{"hours": ["00:00-00:01"], "channels": ["email"]}]
    caps = [{"limit": 1, "days": 7}]
    api.put("/policy", {**OPEN, "windows": closed, "caps": caps})
    try:
        letter, email = step(asked(api, "hal"))
        assert letter["verdict"] == "skip" and letter["why"].startswith("frequency capped")
        assert email["window"]["until"] and "1 touches in 7 days" in email["cap"]["why"]
        lines = "\n".join(may_lines(asked(api, "hal")))
        assert "window   until" in lines and "source form, text I agree" in lines
    finally:
        api.put("/policy", OPEN)


def test_a_draft_is_asked_about_before_anything_of_it_is_active(api, taker):
    api.post("/contacts", contact("jim", consents=[]))
    text = CASCADE.replace("promo", "draft").replace("subject: News, text: Hello, wait", "template: hi, wait")
    api.put("/cascades/draft", content=text)
    api.put("/templates/hi", {"channel": "email", "language": "en", "subject": "Hi", "text": "Hi"})
    told = asked(api, "jim", "draft")
    assert told["version"] is None and "draft: nobody enters" in told["entry"]
    assert (step(told)[0]["verdict"], step(told)[1]["note"]) == ("skip", step(asked(api, "jim"))[1]["note"])
    api.put("/cascades/draft", content=text.replace("class: advertising", "class: service"))
    told = asked(api, "jim", "draft", trigger='{"total": 5}')
    assert [each["verdict"] for each in told["steps"]][:2] == ["send", "send"]
    assert next(may_lines(told)).startswith(f"{told['contact']} and draft, its draft: service (")
    api.post("/cascades/draft/activate")
    assert asked(api, "jim", "draft")["version"] == 1


def test_what_cannot_be_asked(api, taker):
    api.post("/contacts", contact("ida"))
    assert api.call("GET", "/contacts/nobody/may", params={"cascade": "promo"}).status_code == 404
    assert api.call("GET", "/contacts/ida/may", params={"cascade": "none"}).status_code == 404
    wrong = api.call("GET", "/contacts/ida/may", params={"cascade": "promo", "trigger": "[1"})
    assert wrong.status_code == 422 and "JSON object" in wrong.text
