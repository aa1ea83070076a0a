"""A template held against contacts: who lacks what, how many parts, at which price."""

import json

import pytest

from kaskad.cli.root import run

TEXT = "{{ contact.name }}, {{ trigger.total | money: 'KZT' }} ждут вас: {{ link(trigger.url) }}"
ACCOUNT = {
    "provider": "generic_webhook", "channel": "sms", "price": "14 KZT per part",
    "settings": {"url": "http://127.0.0.1:1/"}, "secrets": {"secret": "swordfish-swordfish"},
}  # fmt: skip
PEOPLE = {
    "ann": {"name": "Анна"}, "long": {"name": "Александра-Екатерина Константинопольская"}, "bob": {},
    "far": {"name": "Нет телефона"},
}  # fmt: skip


@pytest.fixture
def ready(api):
    api.put("/accounts/phones", ACCOUNT)
    for number, (name, attributes) in enumerate(PEOPLE.items()):
        channel, value = ("email", "far@example.org") if name == "far" else ("sms", f"+770000000{number:02}")
        api.post(
            "/contacts",
            {
                "external_id": name,
                "attributes": attributes,
                "addresses": [{"channel": channel, "value": value}],
            },
        )
    api.put("/templates/wait", {"channel": "sms", "language": "ru", "text": TEXT})
    yield {name: api.get(f"/contacts/{name}")["id"] for name in PEOPLE}
    api.delete("/accounts/phones?force=true")


def test_who_lacks_a_name_and_who_gets_two_parts_is_told_before_anything_is_sent(api, ready):
    found = api.post("/templates/wait/check", {"trigger": {"total": 12500, "url": "https://example.org/c"}})
    assert (found["contacts"], found["written"], found["languages"]) == (3, 2, {"ru": 3})
    assert found["lacks"] == [
        {"variable": "contact.name", "lacking": 1, "stopped": 1, "examples": [ready["bob"]]}
    ]
    assert found["parts"] == {"2": 2} and found["stand_ins"] == []
    assert (found["longest"]["contact"], found["longest"]["encoding"]) == (ready["long"], "ucs2")
    assert (found["price"], found["currency"]) == (4 * 1400, "KZT")  # with links as long as they will be


def test_links_of_an_sms_are_as_long_as_those_of_the_brand_that_sends_it(api, ready):
    api.put(
        "/templates/branded",
        {"channel": "sms", "language": "en", "text": "x" * 120 + "{{ link('https://a.kz') }}"},
    )
    own = api.post("/templates/branded/check", {})
    assert own["parts"] == {"2": 3}, "long links: nothing has a domain of short ones"
    api.call("PATCH", "/policy", {"brands": [{"name": "north", "link_domain": "https://s.kz"}]})
    text = "cascade: branded\nclass: service\nbrand: north\ntrigger: {broadcast: all}\n"
    text += "steps: [{id: sms, channel: sms, template: branded, wait: 1h}]\n"
    api.put("/cascades/branded", content=text, headers={"Content-Type": "application/yaml"})
    api.post("/cascades/branded/activate")
    assert api.post("/templates/branded/check", {})["parts"] == {"1": 3}
    shown = api.post("/templates/branded/preview", {"contact": "ann", "channel": "sms"})
    assert shown["parts"] == 1
    api.post("/cascades/branded/stop")


def test_what_the_event_would_tell_is_made_up_and_said_so(api, ready):
    found = api.post("/templates/wait/check", {"contacts": 1})
    assert found["contacts"] == 1 and found["stand_ins"] == ["trigger.total", "trigger.url"]
    api.put(
        "/templates/wait", {"channel": "sms", "language": "ru", "text": "{{ contact.name | default: 'x' }}"}
    )
    found = api.post("/templates/wait/check", {})
    assert (found["written"], found["lacks"][0]["lacking"], found["lacks"][0]["stopped"]) == (3, 1, 0)


def test_those_of_a_list_are_asked(api, ready):
    api.post("/lists", {"name": "few"})
    api.post("/lists/few/members", {"contacts": ["bob", "far"]})
    found = api.post("/templates/wait/check", {"list": "few"})
    assert (found["contacts"], found["written"], found["price"]) == (1, 0, 0)
    assert api.call("POST", "/templates/wait/check", {"list": "none"}).status_code == 404


def test_the_command_says_it_in_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    (tmp_path / "people.csv").write_text("id,name,phone\nann,Анна,+77000000001\nbob,,+77000000002\n")
    assert run(["import", "people.csv"]) == 0
    (tmp_path / "wait.ru.txt").write_text(f"---\nchannel: sms\n---\n{TEXT}")
    assert run(["template", "put", "wait.ru.txt"]) == 0
    capsys.readouterr()
    assert run(["template", "check", "wait"]) == 1
    said = capsys.readouterr().out
    assert "1 of 2 contacts with an address would get wait." in said and "1 lack contact.name" in said
    assert "made up, since --trigger does not give it: trigger.total, trigger.url" in said
    assert run(["template", "check", "wait", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["price"] is None
