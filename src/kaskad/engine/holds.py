"""Mail accounts that are refused for what the sender is: held until somebody looks (domain rules 5).

A refusal with a code 5.7.x (policy, reputation, authentication) is not the address's fault, and every further
mail makes the sender's name worse. So an account sends nothing more once enough of a day's mails end so: its
messages wait as when a provider is down, another account of the channel takes over.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime

from msgspec import Struct, structs

from kaskad.domain.policy import DAY
from kaskad.log import get_logger
from kaskad.store import holds
from kaskad.store.db import Transaction
from kaskad.store.holds import Held

log = get_logger(__name__)

LEAST = 10  # refusals: fewer are one strict server's opinion
_POLICY = re.compile(r"(?<![\d.])5\.7\.\d{1,3}(?![\d.])").search


class Tally(Struct):
    """What one account has sent since an instant, and how much of it was refused for what the sender is."""

    since: int
    sent: int = 0
    refused: int = 0
    why: str = ""


def is_policy(code: str, detail: str) -> bool:
    """Tell whether a mail server has refused the sender, not the address."""
    return _POLICY(f"{code} {detail}") is not None


class Holds:
    """The tallies of one process, of mails that were sent since it began; the tick's thread only."""

    def __init__(self) -> None:
        self.held: dict[int, Held] = {}
        self.fresh: dict[int, Held] = {}  # of this tick: they count once it is committed
        self._tallies: dict[int, Tally] = {}
        self._suspects: set[int] = set()
        self._before: dict[int, Tally | None] = {}  # the tallies that this tick has changed, as they were

    def sent(self, account_id: int, count: int, now: int) -> None:
        """Count mails that were taken, or refused at once."""
        self._tally(account_id, now).sent += count

    def refused(self, account_id: int, sent_at: int, said: str, now: int) -> None:
        """Count a mail that was refused for what the sender is; `said` by the server."""
        tally = self._tally(account_id, now)
        if sent_at >= tally.since:  # else it is not among those that were counted as sent
            tally.refused += 1
            tally.why = said[:300]
            self._suspects.add(account_id)

    def keep(self, tx: Transaction, percent: int, now: int) -> dict[int, Held]:
        """Hold accounts of which so many percent were refused; return those that were not held before."""
        for account_id in sorted(self._suspects) if percent else ():
            tally = self._tallies[account_id]
            if account_id in self.held or tally.refused < LEAST or tally.refused * 100 < tally.sent * percent:
                continue
            told = f"{tally.refused} of {tally.sent} mails since {_clock(tally.since)} were refused"
            held = Held(now, f"{told} for what the sender is (5.7.x), the last: {tally.why}")
            if holds.put(tx, account_id, held):
                self.fresh[account_id] = held
        return self.fresh

    def forget(self) -> None:
        """Undo what a tick that was rolled back has noted: what it has counted comes again."""
        self.fresh.clear()
        self._suspects.clear()
        for account_id, tally in self._before.items():
            if tally is None:
                self._tallies.pop(account_id, None)
            else:
                self._tallies[account_id] = tally
        self._before.clear()

    def committed(self) -> Collection[int]:
        """Take over what the tick has held; return those accounts."""
        for account_id, held in self.fresh.items():
            log.warning("account held", account=account_id, why=held.why)
        self.held |= self.fresh
        fresh = list(self.fresh)
        self.fresh.clear()
        self._suspects.clear()
        self._before.clear()
        return fresh

    def replace(self, held: dict[int, Held]) -> Collection[int]:
        """Take over what the database says; return the accounts that are held no more: they begin anew."""
        gone = [each for each in self.held if each not in held]
        for account_id in gone:
            self._tallies.pop(account_id, None)
        self.held = dict(held)
        return gone

    def _tally(self, account_id: int, now: int) -> Tally:
        tally = self._tallies.get(account_id)
        if account_id not in self._before:
            self._before[account_id] = None if tally is None else structs.replace(tally)
        if tally is None or now - tally.since > DAY:
            tally = self._tallies[account_id] = Tally(now)
        return tally


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
