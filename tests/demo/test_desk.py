"""The demo's agents work off the queue of a real installation, over its API."""

import time

from kaskad.config import Settings
from kaskad.demo.desk import ENDS, Agents
from kaskad.demo.play import DESK
from kaskad.domain.policy import Policy
from kaskad.engine.catalog import POLICY
from kaskad.store import settings as setting_store
from kaskad.web.service import serving
from support.api import Api

CASCADE = """
cascade: call
title: Call
class: service
trigger: {event: left}
steps:
  - {id: agent, channel: agent_call, script: Call}
"""
DAY_AND_NIGHT = {**DESK, "settings": {"agents": "2", "zone": "Asia/Almaty"}}


def test_agents_call_everybody_once_and_say_how_it_ended(tmp_path):
    settings = Settings(database=f"sqlite:{tmp_path / 'kaskad.db'}", listen="127.0.0.1:0")
    with serving(settings, "the tests") as service:
        api = Api(service)
        service.office.write(lambda tx: setting_store.put(tx, POLICY, Policy.unlimited()))
        service.office.reload()
        api.put("/accounts/desk", DAY_AND_NIGHT)
        api.call("PUT", "/cascades/call", content=CASCADE).raise_for_status()
        api.post("/cascades/call/activate")
        names = [f"p{number}" for number in range(12)]
        for number, name in enumerate(names):
            api.post("/contacts", {"external_id": name, "phone": f"+770100004{number:02}"})
        api.post("/events", [{"id": one, "name": "left", "contact": {"external_id": one}} for one in names])
        agents = Agents(lambda path, told: api.post(path, told), service.clock.now, 1)
        agents.start()
        until = time.monotonic() + 20
        while agents.calls < len(names) and time.monotonic() < until:
            time.sleep(0.05)
        agents.stop()
        found = api.get("/tasks", params={"state": "all"})["items"]
    assert [task["dials"] for task in found] == [1] * len(names)
    assert {task["disposition"] for task in found} <= {end for end, _ in ENDS}
    assert len({task["disposition"] for task in found}) > 1
    assert {task["agent"] for task in found} == {"Айгуль", "Сергей"}
