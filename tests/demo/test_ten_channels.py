"""The demo's cascade of ten channels, for a person who answers on none of them."""

from importlib.resources import files

import pytest

from kaskad.config import Settings
from kaskad.demo.people import everywhere, invent
from kaskad.demo.play import DESK, SERVERS, account_of, recipient_of
from kaskad.sandbox.serve import SandboxConfig, running
from kaskad.web.service import serving
from support.api import Api
from support.world import profile, wait_for

TEN = [
    "email", "push", "telegram", "max", "vk", "viber", "whatsapp", "sms", "robot_call", "agent_call",
]  # fmt: skip
FACTOR = 20_000.0


@pytest.mark.long
@pytest.mark.timeout(180)
def test_who_is_silent_is_looked_for_on_ten_channels_one_after_the_other(tmp_path):
    person = everywhere(invent(1, 3)[0])
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0", private_webhooks="yes")
    with serving(settings, "the tests", time_factor=FACTOR) as service:
        world = SandboxConfig(
            people=[recipient_of(person)], kaskad_url=service.url, profile=profile(), servers=SERVERS,
            time_factor=FACTOR,
        )  # fmt: skip
        with running(world) as sandbox:
            api = Api(service)
            for account in sandbox.accounts(service.url):
                api.put(f"/accounts/{account.pop('name')}", account_of(account))
            api.put("/accounts/desk", DESK)
            api.post("/accounts/whatsapp/templates/sync")
            text = files("kaskad.demo").joinpath("scenarios/ten-channels.yaml").read_bytes()
            api.put("/cascades/ten-channels", content=text, headers={"Content-Type": "application/yaml"})
            api.post("/cascades/ten-channels/activate")
            addresses = [
                {"channel": channel, "value": value}
                for channel, value in (
                    ("email", person.email), ("sms", person.phone), ("telegram", person.telegram),
                    ("push", person.push), ("max", person.max), ("vk", person.vk), ("viber", person.viber),
                    ("whatsapp", person.whatsapp),
                )
            ]  # fmt: skip
            api.put(f"/contacts/{person.id}", {"addresses": addresses, "zone": "Asia/Almaty",
                                               "attributes": {"name": person.name}})  # fmt: skip
            api.post("/events", {
                "id": "e1", "name": "order_ready", "contact": {"external_id": person.id},
                "properties": {"order_id": "1", "item": "Кофе", "total": 9000,
                               "url": "https://shop.example.org/1"},
            })  # fmt: skip

            wait_for(lambda: api.get("/tasks")["items"], 150)
            told = api.get(f"/contacts/{person.id}/timeline?limit=500")["items"]
    assert [one["channel"] for one in reversed(told) if one["kind"] == "message"] == TEN
