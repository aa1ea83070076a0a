"""Where nothing goes to anybody, forecast, simulation and optimisation say why, and of prices what is so."""

from kaskad.cli import forecast, optimize, simulate
from kaskad.config import Settings
from kaskad.web.service import attending
from support.api import Api

HOOK = {
    "provider": "generic_webhook", "settings": {"url": "http://127.0.0.1:1/"},
    "secrets": {"secret": "swordfish-swordfish"},
}  # fmt: skip
CHAT = """cascade: chat
class: service
trigger: {broadcast: all}
steps:
  - {id: chat, channel: telegram, text: t}
"""


def test_what_goes_to_nobody_is_said_to_lack_what_it_lacks(tmp_path, capsys):
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0", private_webhooks="yes")
    with attending(settings, "the tests") as service:
        api = Api(service)
        mail = {"external_id": "one", "addresses": [{"channel": "email", "value": "one@example.org"}]}
        api.post("/contacts", mail)
        _nobody_has_the_channel(api, capsys)
        _no_account_could_send_it(api, capsys)
        _all_are_held_out(api, capsys)


def _nobody_has_the_channel(api, capsys):
    """Of a price that is told it is not said that none is."""
    api.put("/accounts/chat", {**HOOK, "channel": "telegram", "price": "5 KZT"})
    asked = {"definition": CHAT, "everybody": True}
    told = api.post("/cascades/chat/forecast", asked)
    assert told["steps"][0]["passed"] == {"no_address": 1} and told["steps"][0]["notes"] == []
    forecast._print(told)
    assert "\n0 messages.\n" in capsys.readouterr().out
    told = api.post("/cascades/chat/simulate", asked)
    assert (told["people"], told["messages"], told["notes"]) == (1, 0, [])
    told = api.post("/cascades/chat/optimize", asked)
    assert told["notes"][0].startswith("No step can be sent to anybody") and "price" not in str(told["notes"])
    forecast._print(api.post("/cascades/chat/forecast", {"definition": CHAT, "typical": True}))
    assert "messages for ₸5,000" in capsys.readouterr().out


def _no_account_could_send_it(api, capsys):
    viber = CHAT.replace("telegram", "viber")
    told = api.post("/cascades/chat/optimize", {"definition": viber, "everybody": True})
    optimize._print(told)
    assert "of this audience: no account, no address, no consent" in capsys.readouterr().out
    forecast._print(api.post("/cascades/chat/forecast", {"definition": viber, "typical": True}))
    assert "; no account tells a price" in capsys.readouterr().out


def _all_are_held_out(api, capsys):
    held = CHAT.replace("class: service", "class: service\nholdout: 99.9%")
    for whom in ({"everybody": True}, {"typical": True, "people": 3}):
        told = api.post("/cascades/chat/simulate", {"definition": held, **whom})
        assert told["people"] == 0 < told["held_out"]
        simulate._print(told, "")
        said = capsys.readouterr().out
        assert "Everybody is in the control group" in said and "There is nobody" not in said
