"""Table `held_shares`: which share of people the policy holds out, since when.

Lots of contacts stay; what changes is which of them are held out. Of an installation whose policy nobody has
changed nothing is kept: its share is that of now.
"""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct, structs

from kaskad.domain.control import FOREVER, drawn
from kaskad.domain.policy import Policy
from kaskad.store import settings
from kaskad.store.db import Transaction

POLICY = "policy"  # the setting
CONTROL = "control"  # the lot of the control group of all advertising; others are those of a message class


class Stretch(Struct, frozen=True):
    """A time in which the same share was held out, of 10 000: from `since` until before `until`."""

    share: int
    since: int = 0
    until: int = FOREVER
    salt: str = ""


class _Kept(Struct, frozen=True):
    share: int
    salt: str = ""
    opens: int = 0
    closes: int = FOREVER


def put_policy(tx: Transaction, policy: Policy, now: int) -> None:
    """Keep a policy, and from when on its shares hold, where they are others than before."""
    before, after = _shares(settings.get(tx, POLICY, Policy) or Policy()), _shares(policy)
    for lot, kept in after.items():
        if kept == before[lot]:
            continue
        if not tx.all("held_shares", lot=lot):
            tx.run("put_held_share", lot=lot, since=0, **structs.asdict(before[lot]))
        tx.run("put_held_share", lot=lot, since=now, **structs.asdict(kept))
    settings.put(tx, POLICY, policy)


def stretches(tx: Transaction, lot: str, policy: Policy) -> tuple[Stretch, ...]:
    """Return the times of a lot's shares, the first one first; `policy` is that of now. A control group has
    none where nobody is held out."""
    rows = tx.all("held_shares", lot=lot)
    known = [(row[0], _Kept(*row[1:])) for row in rows] or [(0, _shares(policy)[lot])]
    found: list[Stretch] = []
    for (since, kept), (until, _) in pairwise([*known, (FOREVER, _Kept(0))]):
        one = Stretch(kept.share, max(since, kept.opens), min(until, kept.closes), kept.salt)
        if one.since >= one.until or (lot == CONTROL and not one.share):
            continue
        last = found[-1] if found else None
        if last is not None and (last.until, last.share, last.salt) == (one.since, one.share, one.salt):
            found[-1] = structs.replace(last, until=one.until)
        else:
            found.append(one)
    return tuple(found)


def _shares(policy: Policy) -> dict[str, _Kept]:
    """Return by lot what a policy holds out."""
    found = {name: _Kept(share) for name, share in structs.asdict(policy.holdout).items()}
    group = drawn(policy.control, policy.zone)
    found[CONTROL] = _Kept(0) if group is None else _Kept(
        group.share, policy.control.salt, group.since, group.until
    )  # fmt: skip
    return found
