"""The page of outgoing webhooks tells what the code does."""

import json
import re
from pathlib import Path

from kaskad.domain.terms import Channel, Kind, Outcome, TaskState
from kaskad.engine import announce
from kaskad.engine.herald import SCHEDULE_MS, TIMEOUT_S
from kaskad.engine.outbox import MEANINGS, EventType, Outbox
from kaskad.store.webhooks import Webhook
from support.databases import migrated
from support.stage import Stage

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
UNITS = {"s": 1_000, "min": 60_000, "h": 3_600_000}


def test_every_type_of_event_is_told_with_its_meaning():
    told = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", PAGE, re.MULTILINE))
    assert told == {kind.value: meaning for kind, meaning in MEANINGS.items()}


def test_the_schedule_is_the_real_one():
    (words,) = re.findall(r"tried again: after (.+?)\(each", PAGE, re.DOTALL)
    told = [int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", words)]
    assert tuple(told) == SCHEDULE_MS
    assert f"within {TIMEOUT_S:.0f} seconds" in PAGE


CASCADE = """
cascade: abandoned-cart
class: service
trigger: {event: left}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
  - {id: call, channel: agent_call, script: Hello}
"""


def shape(value):
    """Return what a JSON value has, without what stands there."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return type(value).__name__


def test_of_every_type_the_page_shows_a_body_as_it_is_sent(tmp_path):
    stage = Stage(migrated(tmp_path / "kaskad.db"))
    stage.cascade(CASCADE)
    ann = stage.person("ann")
    stage.event(ann, "left")
    run, now = stage.run(ann), stage.clock.now()
    mail, call = (ann, run.id, 0), (ann, run.id, 1)
    outbox = Outbox(frozenset(kind.value for kind in EventType))
    stage.account(Channel.AGENT_CALL, "desk")
    told = {"reason": "invalid_address", "code": "550", "detail": "no"}
    facts = [
        (*mail, Kind.BOUNCED.value, "b", now, json.dumps(told)),
        (*mail, Kind.REPLIED.value, "r", now, json.dumps({"text": "Yes"})),
        (ann, run.id, -1, Kind.GOAL.value, "order-1", now, None),
    ]
    ended = (ann, run.id, 1, 3, 3, 0, None, None, now, Outcome.RESPONDED.code, 0, 0, now)
    opened = (*call, 1, 1, 1, 1, now, now, 0, 0, 1, 1, "ru", "UTC", "asked for a person")
    left = (*call, 1, TaskState.WITHDRAWN.code, 0, 0, 1, 1, "goal", now)
    with stage.db.write() as tx:
        outbox.note(tx, [(*mail, 1, now)], facts, [ended])
        outbox.entered(tx, [(ann, run.id)], now)
        outbox.opted_out(tx, [(*mail, "all", "e", now)])
        outbox.tasks_opened(tx, [opened])
        outbox.tasks_left(tx, [left])
        outbox.task_closed(tx, (*call, 1), now, "reached_agreed", "Dana")
        outbox.account_held(tx, "mail", "because", now)
        outbox.cascade_paused(tx, "abandoned-cart", now, "because")
        outbox.cascade_resumed(tx, "abandoned-cart", now)
        outbox.alarm(tx, 1, "raised", "guard", "abandoned-cart", "because", now)
        outbox.alarm(tx, 1, "over", "guard", "abandoned-cart", "because", now)
        everything = Webhook(
            1, "https://example.org/", "", [kind.value for kind in EventType], (), True, "", 1
        )
        made = [json.loads(row[3]) for row in announce.word(tx, stage.world, [everything], now).deliveries]
    stage.db.close()
    shown = {one["type"]: one for one in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))}
    assert {one["type"] for one in made} == {kind.value for kind in EventType} == set(shown)
    for one in made:
        wanted = shape(shown[one["type"]])
        if one["data"].get("step") == "call":
            wanted["data"]["channel"] = shape(one)["data"]["channel"]  # it has no message here
        assert shape(one) == wanted, one["type"]
