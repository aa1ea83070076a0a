"""Faults on demand: what a service does wrong, for a share of what comes or for the next few."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

from kaskad.domain.errors import Invalid

REQUESTS = {  # what can befall a message on its way in
    "throttle": "refused as too fast; `seconds` is how long to wait",
    "error": "answered with a server error, nothing is taken",
    "reject": "refused for its content",
    "hang": "taken, and never answered",
    "slow": "taken and answered, `seconds` late",
}
RECEIPTS = {  # what can befall a receipt on its way out
    "late": "`seconds` late",
    "lost": "never sent",
    "duplicate": "sent twice",
    "reorder": "sent after the next one",
    "bad_signature": "signed wrongly first; where a secret is not a signature: with another secret",
}
ALL = frozenset((*REQUESTS, *RECEIPTS))
SESSIONS = {"disconnect": "taken, and the session ends before the answer"}  # of servers that have sessions
KINDS = {**REQUESTS, **RECEIPTS, **SESSIONS}


class Fault(Struct, forbid_unknown_fields=True):
    """One fault of a server, or of all servers of a channel: `service` names either.

    `left` counts down to 0 and the fault is over, None never ends.
    """

    service: str
    kind: str
    share: float = 1.0
    left: int | None = None
    seconds: float = 5.0


class Faults:
    """What is set, and whose turn it is. `known` has, by service, the kinds of faults that it honours."""

    def __init__(self, seed: int, known: Mapping[str, frozenset[str]]) -> None:
        self.known = known
        self._chance = random.Random(f"faults:{seed}")
        self.active: list[Fault] = []
        self.happened: dict[str, int] = {}

    def set(self, faults: Iterable[Fault]) -> None:
        """Add faults; raises Invalid and adds none where one cannot be."""
        added = [structs.replace(fault) for fault in faults]  # how often is counted down in ours
        problems = [problem for fault in added for problem in self._problems(fault)]
        if problems:
            raise Invalid(problems)
        self.active += added

    def clear(self, service: str = "") -> None:
        """End all faults, or those of one service."""
        self.active = [fault for fault in self.active if service and fault.service != service]

    def strike(self, services: Iterable[str], kinds: Iterable[str]) -> Fault | None:
        """Return the fault that befalls one thing of these services, if any, and count it."""
        for fault in self.active:
            if fault.service in services and fault.kind in kinds and self._chance.random() < fault.share:
                if fault.left is not None:
                    fault.left -= 1
                self.active = [each for each in self.active if each.left != 0]
                name = f"{fault.service}.{fault.kind}"
                self.happened[name] = self.happened.get(name, 0) + 1
                return fault
        return None

    def _problems(self, fault: Fault) -> list[str]:
        found = []
        honoured = self.known.get(fault.service)
        if honoured is None:
            found.append(f"service {fault.service!r} is none of {', '.join(self.known)}")
        if fault.kind not in KINDS:
            found.append(f"kind {fault.kind!r} is none of {', '.join(KINDS)}")
        elif honoured is not None and fault.kind not in honoured:
            found.append(
                f"kind {fault.kind!r} is not for {fault.service}: choose {', '.join(sorted(honoured))}"
            )
        if not 0 < fault.share <= 1:
            found.append(f"share {fault.share:g} is no share: write a number over 0, up to 1")
        if fault.left is not None and fault.left < 1:
            found.append(f"left {fault.left}: write how many, at least 1, or leave it out")
        if fault.seconds < 0:
            found.append("seconds cannot be negative")
        return found
