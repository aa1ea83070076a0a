"""Own call desk: an agent of yours calls. Nothing leaves the installation; a message becomes a task."""

from __future__ import annotations

from kaskad.domain.hours import is_zone
from kaskad.domain.policy import HOUR, MINUTE, Window
from kaskad.domain.task import DAYS, GIVEN_UP, MEANINGS, DeskPlan
from kaskad.domain.terms import Channel, Reaction
from kaskad.providers.base import Account, Capabilities, Provider, Setting

_LARGEST = {"agents": 10_000, "call_minutes": 480, "sla_hours": 24 * 30, "tasks_a_day": 1_000_000}
_LEAST = {"tasks_a_day": 0}
TOLD = frozenset(kind for means in (*MEANINGS.values(), GIVEN_UP) for kind, _ in means.facts)  # by agents


class Desk(Provider):
    """Calls by people of your own, from a queue of tasks: see docs/agent-calls.md."""

    name = "desk"
    title = "Own call desk"
    channels = frozenset({Channel.AGENT_CALL})
    settings = (
        Setting("agents", required=False, default="1", help="people who call at the same time"),
        Setting("call_minutes", required=False, default="10", help="how long a call takes, all in all"),
        Setting("sla_hours", required=False, default="24", help="a task is closed within so many hours"),
        Setting("tasks_a_day", required=False, default="0", help="tasks opened in a day, 0: no limit"),
        Setting("hours", required=False, default="00:00-24:00", help="when your people work: 10:00-19:00"),
        Setting("days", required=False, default="every", choices=tuple(DAYS), help="on which days they work"),
        Setting("zone", required=False, default="UTC", help="the time zone of hours, such as Asia/Almaty"),
    )
    capabilities = Capabilities(
        receipts=TOLD,
        reactions=frozenset({Reaction.ANSWERED, Reaction.REPLIED}),
        idempotent=True,  # a task is a row of the very transaction
        concurrency=1,  # what may be open follows from the settings, at every tick
        per_second=1_000.0,
        burst=10_000,
    )
    transport = "desk"
    own = True
    connect = (
        "Add an account with what your people can do: `kaskad account add desk --provider desk "
        "--set agents=5 --set hours=10:00-19:00 --set zone=Asia/Almaty --price '400 KZT'`.",
        "Give whoever calls a key with `tasks:read` and `tasks:write`: `kaskad key create eva "
        "--scope tasks:read --scope tasks:write`.",
        "They work the queue off over the API, or with `kaskad task next`: docs/agent-calls.md.",
    )

    def check(self, account: Account) -> list[str]:
        """Return what of the settings can never work, in sentences."""
        problems = [
            f"setting {name!r} is a whole number from {_LEAST.get(name, 1)} to {largest}, "
            f"not {account[name][:40]!r}"
            for name, largest in _LARGEST.items()
            if not _LEAST.get(name, 1) <= _number(account[name]) <= largest
        ]
        try:
            spans = Window((account["hours"],)).spans()
            if len(spans) != 1:
                problems.append("setting 'hours': write hours of one day, the end after the start")
        except ValueError as problem:
            problems.append(f"setting 'hours': {problem}")
        if not is_zone(account["zone"]):
            problems.append(f"setting 'zone': {account['zone'][:60]!r} is no time zone such as Asia/Almaty")
        return problems


def plan_of(account: Account) -> DeskPlan:
    """Return what the account's desk can do; its settings have passed `check`."""
    ((opens, closes),) = Window((account["hours"],)).spans()
    return DeskPlan(
        agents=_number(account["agents"]),
        call_ms=_number(account["call_minutes"]) * MINUTE,
        sla_ms=_number(account["sla_hours"]) * HOUR,
        per_day=_number(account["tasks_a_day"]),
        opens=opens,
        closes=closes,
        days=DAYS[account["days"]],
        zone=account["zone"],
    )


def _number(text: str) -> int:
    """Return a whole number; -1 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
