"""A definition is held against the accounts that there are: what they cannot do is told beforehand."""

import json

import pytest

from kaskad.actions import abilities
from kaskad.cli.root import run
from kaskad.domain.definition import load
from kaskad.domain.terms import Channel
from kaskad.providers import PROVIDERS
from kaskad.providers.base import Account

YAML = {"Content-Type": "application/yaml"}
HEAD = """cascade: able
class: service
trigger: {event: e}
goal: {event: g}
steps:
"""


def account(name, provider, channel=None):
    only = channel or next(iter(PROVIDERS[provider].channels))
    return Account(1, name, provider, only)


def found(steps, *accounts):
    loaded = load(HEAD + steps, name="able")
    assert loaded.cascade is not None, loaded.errors
    return [(f.severity, f.path, f.message) for f in abilities.findings(loaded.cascade, accounts)]


def of(findings, path):
    return [(severity, message) for severity, where, message in findings if where == path]


TEXT = "  - {{id: s, channel: sms, text: {text}, {more}}}\n"


def test_what_all_accounts_can_do_is_no_finding():
    steps = '  - {id: s, channel: sms, text: "Hi {{ link(trigger.url) }}", success: clicked, wait: 2h}\n'
    assert not found(steps, account("sms", "smsc_ru"), account("gate", "generic_webhook", Channel.SMS))
    assert not found(steps)


def test_buttons_beyond_what_the_service_shows_are_an_error_with_the_number():
    buttons = ", ".join(f'{{text: "{n}", reply: "{n}"}}' for n in range(4))
    steps = f"  - {{id: s, channel: whatsapp, text: Hi, buttons: [{buttons}], wait: 2h}}\n"
    (told,) = of(found(steps, account("wa", "whatsapp")), "steps[0].buttons")
    assert told[0] == "error" and "shows at most 3 buttons" in told[1] and "'wa'" in told[1]
    both = account("wa", "whatsapp"), account("gate", "generic_webhook", Channel.WHATSAPP)
    assert of(found(steps, *both), "steps[0].buttons")[0][0] == "warning"


def test_a_text_that_is_too_long_is_an_error_and_one_that_may_become_so_a_warning():
    long = "x" * 1001
    assert of(found(TEXT.format(text=long, more="wait: 2h"), account("s", "smsc_ru")), "steps[0].text") == [
        ("error", "account 's' (SMSC) takes 1000 characters, and the text has 1001")
    ]
    near = '"' + "x" * 990 + '{{ contact.name }}"'
    told = of(found(TEXT.format(text=near, more="wait: 2h"), account("s", "smsc_ru")), "steps[0].text")
    assert [severity for severity, _ in told] == ["warning"]


def test_keys_need_a_provider_that_tells_them():
    steps = "  - {id: c, channel: robot_call, say: Hi, keys: {1: confirm}, wait: 2h}\n"
    told = of(found(steps, account("c", "mts_exolve_voice")), "steps[0].keys")
    assert [severity for severity, _ in told] == ["error"]
    assert not of(found(steps, account("c", "twilio_voice")), "steps[0].keys")


def test_a_reaction_that_the_provider_cannot_tell_is_an_error_where_nothing_else_shows_it():
    class Mute(type(PROVIDERS["generic_webhook"])):
        name = "mute"
        title = "Mute"
        capabilities = type(PROVIDERS["generic_webhook"].capabilities)()

    PROVIDERS["mute"] = Mute()
    try:
        mute = account("m", "mute", Channel.SMS)
        steps = TEXT.format(text="Hi", more="success: delivered, wait: [{unless: delivered, for: 2h}]")
        told = found(steps, mute)
        assert [severity for severity, _ in of(told, "steps[0].success")] == ["error"]
        assert [severity for severity, _ in of(told, "steps[0].wait[0].unless")] == ["error"]
        linked = steps.replace("text: Hi", 'text: "{{ link(trigger.url) }}"')
        assert {severity for severity, _, _ in found(linked, mute)} == {"warning"}
        assert [
            severity for severity, _ in of(found(TEXT.format(text="Hi", more="wait: 2h"), mute), "steps[0]")
        ] == ["warning"]
        assert not found(TEXT.format(text="Hi", more="success: none, wait: 2h"), mute)
        backed = found(steps, mute, account("sms", "smsc_ru"))
        assert {severity for severity, _, _ in backed} == {"warning"}
    finally:
        del PROVIDERS["mute"]


def test_a_messenger_with_a_window_is_warned_of_without_an_approved_text():
    steps = "  - {id: w, channel: whatsapp, text: Hi, wait: 2h}\n"
    told = of(found(steps, account("wa", "whatsapp")), "steps[0]")
    assert [severity for severity, _ in told] == ["warning"] and "within 24 hours" in told[0][1]
    named = steps.replace("text: Hi,", "text: Hi, approved: {name: a, language: ru},")
    assert not of(found(named, account("wa", "whatsapp")), "steps[0]")


def test_a_step_that_names_its_account_is_held_against_that_one_alone():
    steps = TEXT.format(text="x" * 1001, more="account: gate, wait: 2h")
    assert not found(steps, account("sms", "smsc_ru"), account("gate", "generic_webhook", Channel.SMS))


LONG = HEAD + TEXT.format(text="x" * 1001, more="wait: 2h")


def test_plan_activation_and_check_tell_it_at_its_line(api):
    api.put("/accounts/smsc", {"provider": "smsc_ru", "secrets": {"api_key": "k" * 16}})
    try:
        planned = api.post("/cascades/able/plan", content=LONG, headers=YAML)
        (problem,) = [one for one in planned["problems"] if one["severity"] == "error"]
        assert (problem["path"], problem["line"], planned["ok"]) == ("steps[0].text", 6, False)
        api.put("/cascades/able", content=LONG, headers=YAML)
        refused = api.call("POST", "/cascades/able/activate")
        assert refused.status_code == 422 and "takes 1000 characters" in refused.text
        alone = api.post("/cascades/check", content=LONG, headers=YAML)
        assert alone["ok"]
        held = api.call("POST", "/cascades/check?accounts=true", content=LONG, headers=YAML).json()
        assert not held["ok"] and any("takes 1000" in one["message"] for one in held["problems"])
    finally:
        api.delete("/accounts/smsc?force=true")


def test_an_event_that_has_never_come_is_remarked_on_with_the_nearest_that_has(api):
    steps = "  - {id: s, channel: sms, text: Hi, if: 'event(\"purchse\").count > 0', wait: 2h}\n"
    text = HEAD.replace("event: e}", "event: signed_up}").replace("event: g}", "event: purchase}") + steps

    def told():
        held = api.post("/cascades/check?accounts=true", content=text, headers=YAML)
        assert held["ok"], "it may yet come"
        return [(one["path"], one["remedy"]) for one in held["problems"] if "no event" in one["message"]]

    asked = {"text": 'event("purchse").count > 0'}
    assert told() == api.post("/questions", asked)["remarks"] == [], "nothing has come at all"
    api.post("/contacts", {"external_id": "ann"})
    for name in ("purchase", "cart_left"):
        api.post("/events", {"id": name, "name": name, "contact": {"external_id": "ann"}})
    assert told() == [("steps[0].if", "is `purchase` meant, which has come?")]
    (remark,) = api.post("/questions", asked)["remarks"]
    assert remark == "no event `purchse` was found among 2: is `purchase` meant, which has come?"


def test_the_command_checks_with_accounts_where_it_is_asked_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("K", "k" * 16)
    assert run(["init"]) == 0
    assert run(["account", "add", "smsc", "--provider", "smsc_ru", "--secret", "api_key=$K"]) == 0
    (tmp_path / "able.yaml").write_text(LONG, "utf-8")
    capsys.readouterr()
    assert run(["check", "able.yaml"]) == 0
    capsys.readouterr()
    assert run(["check", "able.yaml", "--accounts", "--json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert any(one["path"] == "steps[0].text" and one["severity"] == "error" for one in told["problems"])
    assert run(["check", "able.yaml", "--accounts"]) == 1
    assert "able.yaml:6:" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_any_provider_can_be_asked_about_any_step(name):
    for channel in PROVIDERS[name].channels:
        said = {"robot_call": "say: Hi", "agent_call": "script: Hi", "email": "subject: Hi, text: Hi"}
        steps = f"  - {{id: s, channel: {channel.value}, {said.get(channel.value, 'text: Hi')}}}\n"
        assert all(one[0] == "warning" for one in found(steps, account("a", name, channel)))
