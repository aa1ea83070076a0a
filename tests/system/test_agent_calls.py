"""A call by a person, end to end: key 2 on a simulated phone, an agent over the API, the run's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kaskad.config import Settings
from kaskad.domain.policy import Policy
from kaskad.engine.catalog import POLICY
from kaskad.providers import provider
from kaskad.sandbox.serve import Sandbox, SandboxConfig, running
from kaskad.store import settings as setting_store
from kaskad.web.service import serving
from support.api import Api
from support.world import ANN, profile, wait_for

CASCADE = """
cascade: cart
title: Cart
class: service
trigger: {event: left, key: cart}
steps:
  - id: robot
    channel: robot_call
    say: Press 1 to keep the cart, 2 for a person, 9 to hear no more of us.
    keys: {1: confirm, 2: agent, 9: opt_out}
    wait: 2h
  - {id: agent, channel: agent_call, only: branch, script: "Cart {{ trigger.cart }} of {{ contact.name }}"}
"""
QUIET = """
cascade: quiet
title: Quiet
class: service
trigger: {event: called, key: cart}
steps:
  - {id: agent, channel: agent_call, script: Call, wait: 2h}
  - {id: robot, channel: robot_call, say: Nobody of us has called, wait: 2h}
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running(SandboxConfig(people=(ANN,), profile=profile())) as found:
        yield found


@pytest.fixture
def begin(tmp_path: Path, sandbox: Sandbox) -> Iterator[Callable[..., Api]]:
    """Begin an installation with the sandbox's accounts and a desk; its time may run faster."""
    with ExitStack() as stack:

        def start(text: str, factor: float = 1.0) -> Api:
            own = Settings(database=f"sqlite:{tmp_path / 'kaskad.db'}", listen="127.0.0.1:0")
            api = Api(stack.enter_context(serving(own, "the tests", time_factor=factor)))
            api.service.office.write(lambda tx: setting_store.put(tx, POLICY, Policy.unlimited()))
            api.service.office.reload()
            for account in sandbox.accounts(api.service.base_url):
                api.put(f"/accounts/{account.pop('name')}", as_told(account))
            api.put("/accounts/desk", {"provider": "desk", "price": "400 KZT"})
            slug = text.split("cascade:")[1].split()[0]
            api.call("PUT", f"/cascades/{slug}", content=text).raise_for_status()
            api.post(f"/cascades/{slug}/activate")
            api.post("/contacts", {"external_id": "ann", "phone": ANN.phone, "attributes": {"name": "Ann"}})
            return api

        yield start


def as_told(account: Mapping[str, Any]) -> dict[str, Any]:
    secret = {one.name for one in provider(account["provider"]).settings if one.secret}
    values = {name: str(value) for name, value in account["settings"].items()}
    return {
        "provider": account["provider"],
        "settings": {name: value for name, value in values.items() if name not in secret},
        "secrets": {name: value for name, value in values.items() if name in secret},
    }


def happens(api: Api, name: str) -> None:
    contact = {"external_id": "ann"}
    api.post("/events", {"id": name, "name": name, "contact": contact, "properties": {"cart": 7}})


def test_key_two_of_a_robot_call_leads_to_an_agent_who_ends_the_run(
    begin: Callable[..., Api], sandbox: Sandbox
) -> None:
    api = begin(CASCADE)
    hand = httpx2.Client(base_url=sandbox.http_url, trust_env=False, follow_redirects=True)
    hand.post("/people/1/take")
    happens(api, "left")
    call = wait_for(lambda: sandbox.phones[0].calls)[0]
    assert api.get("/tasks")["items"] == [], "nobody has asked for a person yet"
    hand.post(f"/people/1/calls/{call.sid}", data={"deed": "answer"})
    wait_for(lambda: call.listening)
    hand.post(f"/people/1/calls/{call.sid}", data={"deed": "2"})
    (task,) = wait_for(lambda: api.get("/tasks")["items"])
    assert task["urgent"] and task["why"] == "asked for a person at step robot"
    mine = api.post("/tasks/next", {"agent": "eva"})["task"]
    assert mine["id"] == task["id"] and mine["script"] == "Cart 7 of Ann"
    assert any("asked agent" in entry["text"] for entry in mine["history"])
    assert api.post(f"/tasks/{task['id']}/dial", {"agent": "eva"})["number"] == ANN.phone
    api.post(f"/tasks/{task['id']}/close", {"agent": "eva", "disposition": "reached_agreed"})
    run = api.get(f"/runs/{task['run']}")
    assert (run["outcome"], run["outcome_step"]) == ("responded", "agent")
    assert len(sandbox.phones[0].calls) == 1


def test_a_task_that_nobody_takes_expires_and_the_cascade_goes_on(
    begin: Callable[..., Api], sandbox: Sandbox
) -> None:
    api = begin(QUIET, 3_600.0)  # two hours are two seconds
    happens(api, "called")
    wait_for(lambda: api.get("/tasks", params={"state": "all"})["items"])
    (task,) = wait_for(lambda: api.get("/tasks", params={"state": "expired"})["items"])
    assert task["dials"] == 0 and task["ended"] == "silence"
    wait_for(lambda: sandbox.phones[0].calls)
    assert api.get(f"/messages/{task['run']}/agent")["state"] == "cancelled"
