"""What may go by each account now: its limits, who is down or held, what waits, who stands in.

What a tick changes here stays once it is committed, and is undone with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from kaskad.engine.accounts import Accounts
from kaskad.engine.available import Available, Members
from kaskad.engine.holds import Holds
from kaskad.engine.limits import FAR, AccountLimits, Breaker, Lessons, TokenBucket
from kaskad.engine.lines import Lines
from kaskad.engine.unfound import Unfound
from kaskad.providers.base import limits_of
from kaskad.store.holds import Held


class Traffic:
    """How the accounts do, by id; the tick's thread only."""

    def __init__(self, accounts: Accounts, guard_ms: int) -> None:
        self._accounts, self._guard_ms = accounts, guard_ms
        self.limits: dict[int, AccountLimits] = {}
        self.down_since: dict[int, int] = {}  # since when the breaker has been open
        self.lessons = Lessons(self.limits, self.down_since)
        self.holds = Holds()  # mail accounts that servers refuse for what they are
        self.unfound = Unfound()  # what services say of addresses, and whether that is believed
        self.stands_in: dict[int, int] = {}  # account -> by which goes what waits for it, if any can
        self.queued: dict[int, int] = {}  # account -> instant from which something waits for it
        self.lines = Lines()  # of those who are due, and not even queued
        self.under_way: Counter[int] = Counter()  # parcels handed over, no result applied
        self.troubles: dict[str, str] = {}  # by name: why it cannot be set up or polled; of the poller

    def follow_accounts(self, changed: Collection[int], now: int) -> None:
        """Let accounts have the limits that they are given; they keep the tokens and slots they have taken.

        Those whose settings have changed are asked at once.
        """
        for number in changed:
            self.limits[number].try_anew(now)
        for account in self._accounts.in_turn():
            own = limits_of(account, self._accounts.capabilities[account.id])
            known = self.limits.get(account.id)
            if known is None:
                bucket = TokenBucket(own.per_second, own.burst)
                breaker = Breaker(key=account.name)
                self.limits[account.id] = AccountLimits(own.concurrency, bucket, breaker, self._guard_ms)
            else:
                known.change(own.concurrency, own.per_second, own.burst)

    def available(self, now: int, patience_ms: int) -> Available:
        """Return each channel's account to use: the first that works, else one not down for too long.

        Accounts of one priority share the contacts out by weight.
        """
        firsts: dict[int, int] = {}
        shared: dict[int, Members] = {}
        for channel, accounts in self._accounts.by_channel.items():
            patient = [a for a in accounts if now - self.down_since.get(a.id, FAR) < patience_ms]
            usable = [a for a in accounts if self.limits[a.id].works(now)] or patient  # also if stalled
            firsts[channel] = usable[0].id if usable else 0
            alike = [(a.id, a.weight) for a in usable if a.priority == usable[0].priority]
            if len(alike) > 1:
                shared[channel] = tuple(alike)
        return Available(firsts, shared)

    def in_service(self, now: int, patience_ms: int) -> set[int]:
        """Return the accounts that are enabled and not down for too long."""
        return {
            account.id
            for account in self._accounts.values()
            if account.enabled and now - self.down_since.get(account.id, now) < max(1, patience_ms)
        }

    def stand_in(self, account_id: int, now: int, named: Collection[str]) -> int:
        """Return by which account goes what has never left and waits for this one, which is down; 0: by none.

        What a step, a person's dialogue or an address asks of its account is asked of no other; `named` are
        the accounts that steps name.
        """
        accounts = self._accounts
        account = accounts.get(account_id)
        if account is None or self.limits[account_id].works(now):
            return 0
        channel = account.channel.code
        if channel in accounts.picky or channel in accounts.window_channels or account.name in named:
            return 0
        others = accounts.by_channel.get(channel, ())
        return next((one.id for one in others if self.limits[one.id].works(now)), 0)

    def watch_breaker(self, account_id: int, now: int) -> None:
        """Note since when an account has been down, or that it works again."""
        if self.limits[account_id].breaker.open_until is None:
            self.down_since.pop(account_id, None)
        else:
            self.down_since.setdefault(account_id, now)

    def set_holds(self, held: dict[int, Held]) -> None:
        """Let accounts go on that are held no more, and hold those that are."""
        for account_id in self.holds.replace(held):
            if account_id in self.limits:
                self.limits[account_id].breaker.resume()
                self.watch_breaker(account_id, 0)
        for account_id, one in held.items():
            self._hold(account_id, one.at)

    def free(self, account_id: int, now: int) -> int:
        """Return how many messages the account could take now, without taking the slots."""
        limits = self.limits[account_id]
        if limits.busy or (limits.next_at(now) or now) > now:
            return 0
        return max(0, min(limits.concurrency - limits.in_flight, limits.bucket.available(now)))

    def has_queued(self, account_id: int | None, at: int) -> None:
        """Note that a message waits for the account, not before `at`."""
        if account_id is not None:
            self.queued[account_id] = min(at, self.queued.get(account_id, at))

    def queue_drained(self, account_id: int, later: int | None) -> None:
        """Note that all that may go now has been taken; the rest waits until `later`."""
        if later is None:
            self.queued.pop(account_id, None)
        else:
            self.queued[account_id] = later

    def committed(self) -> None:
        """Take over what a tick has changed."""
        self.lessons.keep()
        self.unfound.committed()
        for account_id in self.holds.committed():
            self._hold(account_id, self.holds.held[account_id].at)

    def forget(self) -> None:
        """Undo what a tick that was rolled back has changed."""
        self.holds.forget()
        self.unfound.forget()
        self.lines.rewind()
        for account_id, limits in self.limits.items():
            limits.in_flight = self.under_way[account_id]
            limits.breaker.give_back()  # its probe has not left; at worst a second one goes
            self.has_queued(account_id, 0)
        self.lessons.forget()

    def _hold(self, account_id: int, at: int) -> None:
        if account_id in self.limits:
            self.limits[account_id].breaker.hold()
            self.watch_breaker(account_id, at)
