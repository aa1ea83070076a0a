"""How much an account may be asked now: slots, tokens, pauses. Pure, in milliseconds; one thread's own.

Of two clocks these see the engine's; where it jumps back they wait, where it jumps forward they give a burst.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from hashlib import blake2b

from kaskad.domain.terms import Reason

TOKEN = 1_000_000  # units in one token: rates of a thousandth a second stay whole numbers
BASE_MS = 1_000
CAP_MS = 15 * 60_000
PAUSE_CAP_MS = 10 * 60_000  # between messages that try whether a provider works again
LONGEST_MS = 60 * 60_000  # whatever a provider asks for, one message tries it again after so long
REST_MS = 30_000  # a provider that asks for so long a pause is out of service: others stand in
SILENCES = 3  # nothing was taken for this part of the guard: somebody is told
PUT_OFF = 40  # people in a row, and nobody was taken: it is not for the person's sake
DEAD = 20  # addresses in a row, and nothing was taken: a service that has gone wrong, more likely
STALLS = 18  # all slots taken for this part of the guard, and nothing has ended: others stand in
_OF_SERVICE = frozenset({Reason.RATE_LIMITED, Reason.TRANSIENT, Reason.AUTH, Reason.AMBIGUOUS})
FAR = 1 << 60  # an instant that does not come
Tries = tuple[int, tuple[bool, ...], int, bool, int | None]  # what a breaker has learnt
Silence = tuple[int | None, int, int, int]
# And an account: of its pauses, its full slots, its silence.
Learnt = tuple[int, int, int | None, int, Silence, Tries]


class TokenBucket:
    """At most `burst` at once and `per_second` in the long run."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._units = max(1, burst) * TOKEN
        self._seen: int | None = None
        self.change(per_second, burst)

    def change(self, per_second: float, burst: int) -> None:
        """Go on with another rate and size; the tokens that are left stay."""
        self._rate = max(1, round(per_second * 1000))  # units a millisecond
        self._size = max(1, burst) * TOKEN
        self._units = min(self._units, self._size)

    def available(self, now: int) -> int:
        """Return the number of whole tokens."""
        if self._seen is not None and now > self._seen:
            self._units = min(self._size, self._units + (now - self._seen) * self._rate)
        self._seen = now
        return self._units // TOKEN

    def take(self, now: int, wanted: int) -> int:
        """Take up to `wanted` tokens and return how many there were."""
        taken = max(0, min(wanted, self.available(now)))
        self._units -= taken * TOKEN
        return taken

    def give_back(self, count: int) -> None:
        """Return tokens that were not used."""
        self._units = min(self._size, self._units + count * TOKEN)

    def next_at(self, now: int) -> int | None:
        """Return when there is a token again; None: now."""
        if self.available(now):
            return None
        return now + -(-(TOKEN - self._units) // self._rate)


class Breaker:
    """Stops asking a provider that fails, and tries it again with one message at a time.

    Opens after `failures` in a row, or when more than half of the last `window` have failed.
    """

    def __init__(self, *, failures: int = 5, window: int = 40, pause_ms: int = 10_000, key: str = "") -> None:
        self._limit = failures
        self._pause_ms = pause_ms
        self._key = key
        self._row = 0
        self._recent: deque[bool] = deque(maxlen=window)  # True: failed
        self._opened = 0  # times in a row
        self._probing = False
        self.open_until: int | None = None

    def allow(self, now: int, wanted: int) -> int:
        """Return how many of `wanted` may go now: all, none, or one as a probe."""
        if self.open_until is None:
            return wanted
        if now < self.open_until or self._probing or wanted < 1:
            return 0
        self._probing = True
        return 1

    @property
    def probing(self) -> bool:
        """Say whether the one message that tries the provider again is under way."""
        return self.open_until is not None and self._probing

    def give_back(self) -> None:
        """Take back a probe that was not sent."""
        self._probing = False

    def record(self, now: int, failed: bool) -> None:
        """Count how one message ended; what ends while the breaker is open tells nothing new."""
        if self.open_until is not None:
            if not self._probing:
                return
            self._probing = False
            if failed:
                self._open(now)
            else:
                self._close()
            return
        self._row = self._row + 1 if failed else 0
        self._recent.append(failed)
        if failed and (self._row >= self._limit or self._mostly_failed()):
            self._open(now)

    def succeed(self, now: int, count: int) -> None:
        """Count messages that ended well."""
        for _ in range(min(count, self._recent.maxlen or count)):  # more cannot be remembered
            self.record(now, failed=False)

    def trip(self, now: int) -> None:
        """Open at once: the account itself is wrong."""
        if self.open_until is None or self._probing:
            self._probing = False
            self._open(now)

    def rest(self, until: int) -> None:
        """Let no probe go before `until`, as the provider has asked."""
        if self.open_until is None or self._probing or self.open_until < until:
            self._probing = False
            self.open_until = until

    def try_anew(self, now: int) -> None:
        """Let a probe go at once, as somebody has changed what may be why it failed; not where it is held."""
        if self.open_until is not None and self.open_until != FAR:
            self._opened, self._probing, self.open_until = 0, False, min(now, self.open_until)

    def hold(self) -> None:
        """Open until somebody closes it: no probe goes."""
        self._probing = False
        self.open_until = FAR

    def learnt(self) -> Tries:
        """Return what has been learnt so far."""
        return self._row, tuple(self._recent), self._opened, self._probing, self.open_until

    def restore(self, learnt: Tries) -> None:
        """Forget what has been learnt since."""
        self._row, recent, self._opened, self._probing, self.open_until = learnt
        self._recent.clear()
        self._recent.extend(recent)

    def resume(self) -> None:
        """Close what was held."""
        if self.open_until == FAR:
            self._close()

    def next_at(self, now: int) -> int | None:
        """Return when a probe may go; None: nothing is held back, or a probe is under way."""
        return self.open_until if self.open_until is not None and self.open_until > now else None

    def _mostly_failed(self) -> bool:
        return len(self._recent) == self._recent.maxlen and sum(self._recent) * 2 > len(self._recent)

    def _open(self, now: int) -> None:
        self._opened += 1
        pause_ms = backoff(self._opened, self._key, base_ms=self._pause_ms, cap_ms=PAUSE_CAP_MS)
        self.open_until = now + pause_ms

    def _close(self) -> None:
        self.open_until = None
        self._row = self._opened = 0
        self._recent.clear()


def backoff(attempt: int, key: str, *, base_ms: int = BASE_MS, cap_ms: int = CAP_MS) -> int:
    """Return how long to wait after the `attempt`-th failure (1, 2, …): doubling, the upper half by chance.

    The chance is a hash of `key` and `attempt`, so that a replay waits as long.
    """
    full = min(cap_ms, base_ms << min(max(attempt, 1) - 1, 32))
    draw = int.from_bytes(blake2b(f"{key}:{attempt}".encode(), digest_size=4).digest(), "big")
    return full // 2 + full // 2 * draw // 0xFFFFFFFF


class AccountLimits:
    """What one account may be asked: free slots, tokens, the provider's wish to wait, the breaker."""

    def __init__(
        self, concurrency: int, bucket: TokenBucket, breaker: Breaker, guard_ms: int = 90_000
    ) -> None:
        self.concurrency = concurrency
        self._stall_ms = guard_ms // STALLS
        self._full_since: int | None = None  # that all slots are taken, and nothing has ended
        self._usual_ms = 0  # for so long that was lately so, at most, before something was taken
        self._silence_ms = guard_ms // SILENCES
        self._silent_since: int | None = None  # that something was handed over and nothing has been taken
        self._ended_at = 0  # when the last one ended otherwise
        self._put_off = 0  # refused for now for whom they are to, since the last that was taken
        self._dead = 0  # refused since then as to an address that does not exist
        self.bucket = bucket
        self.breaker = breaker
        self.in_flight = 0
        self._until = 0  # of Retry-After
        self._throttled = 0  # pauses in a row after which nothing was taken

    def change(self, concurrency: int, per_second: float, burst: int) -> None:
        """Go on with other limits, as somebody has changed the account."""
        self.concurrency = concurrency
        self.bucket.change(per_second, burst)

    def try_anew(self, now: int) -> None:
        """Ask the provider again at once: it may be another one now, or have another key."""
        self._until = self._throttled = 0
        self.breaker.try_anew(now)

    @property
    def busy(self) -> bool:
        """Say whether nothing more may go before something under way has ended."""
        return self.in_flight >= self.concurrency or self.breaker.probing

    def flows(self, now: int) -> bool:
        """Say whether messages go one after the other: nothing but slots and tokens keeps them back."""
        return self.breaker.open_until is None and now >= self._until

    def stalls_at(self) -> int | None:
        """Return from when on the account counts as stalled, if nothing ends; None: it has free slots.

        Nothing could go by it then anyway, so it loses nothing where others stand in: what is under way
        stays its own. One that is slow by nature is given four times as long as it lately took.
        """
        if self._full_since is None or self.in_flight < self.concurrency:
            return None
        return self._full_since + max(self._stall_ms, 4 * self._usual_ms)

    def silent(self, now: int) -> bool:
        """Say whether the provider has taken nothing for long, though it is asked.

        It may hang only, and nothing fails for a while, or never: somebody should know all the same.
        """
        since = self._silent_since
        asked = self.in_flight > 0 or now - self._ended_at < self._silence_ms
        return since is not None and asked and now - since >= self._silence_ms

    def works(self, now: int) -> bool:
        """Say whether messages are given to the account; else those that can go another way do."""
        breaker, stalls_at = self.breaker, self.stalls_at()
        if stalls_at is not None and stalls_at <= now:
            return False
        return breaker.open_until is None or (breaker.open_until <= now and not breaker.probing)

    @property
    def knows_addresses(self) -> bool:
        """Say whether it is to be believed that an address does not exist: not if it says so to all."""
        return self._dead <= DEAD

    def grant(self, now: int, wanted: int) -> int:
        """Return how many of `wanted` may go now, and count them as under way."""
        free = min(wanted, self.concurrency - self.in_flight)
        if free < 1 or now < self._until:
            return 0
        tokens = min(free, self.bucket.available(now))
        granted = self.bucket.take(now, self.breaker.allow(now, tokens))
        if granted and self._begins_anew(now):
            self._silent_since = now
        self.in_flight += granted
        if granted and self.in_flight >= self.concurrency:
            self._full_since = now
        return granted

    def give_back(self, count: int) -> None:
        """Undo a grant that was not used: the last look has stopped the message."""
        if count:
            self.release(count)
            self.bucket.give_back(count)
            self.breaker.give_back()

    def _begins_anew(self, now: int) -> bool:
        """Say whether what is handed over now is the first for long whose answer is waited for."""
        idle = not self.in_flight and now - self._ended_at >= self._silence_ms
        return self._silent_since is None or idle

    def release(self, count: int) -> None:
        """Free the slots of messages that have ended."""
        self.in_flight = max(0, self.in_flight - count)
        self._full_since = None

    def penalise(self, until: int, now: int) -> None:
        """Let nothing go before `until`, as the provider has asked.

        Where that is long, or the provider fails anyway, nothing waits for it that can go another way.
        """
        self._until = max(self._until, until)
        if until - now >= REST_MS or self.breaker.open_until is not None:
            self.breaker.rest(until)

    def count(self, in_flight: int, concurrency: int, until: int) -> None:
        """Take over what somebody else has counted, and let nothing go before `until`."""
        self.in_flight, self.concurrency, self._until = in_flight, concurrency, until
        self._full_since = None

    def settle(
        self, now: int, reason: Reason | None, retry_after_ms: int | None = None, *,
        of_person: bool = False, others: bool = False,
    ) -> None:  # fmt: skip
        """Free the slot of one message and learn from its end; `reason` None: accepted.

        A refusal of the person or of the text says that the provider works; one for now (`of_person`) too,
        but where very many are put off in a row and nobody is taken, while `others` could stand in.
        """
        self.release(1)
        self._ended_at = now
        self._put_off += of_person
        self._dead += reason is Reason.INVALID_ADDRESS
        answers = of_person and self._put_off <= PUT_OFF
        if answers or reason not in _OF_SERVICE:
            self._silent_since = now if self.in_flight else None
        if retry_after_ms is not None:
            retry_after_ms = min(retry_after_ms, LONGEST_MS)
        if reason is Reason.AUTH:
            self.breaker.trip(now)
        elif reason is not Reason.RATE_LIMITED:
            failed = reason in (Reason.TRANSIENT, Reason.AMBIGUOUS)
            self.breaker.record(now, failed and (not of_person or (others and not answers)))
        else:
            self.breaker.record(now, failed=False)
            self.penalise(now + max(self._throttled_ms(now), retry_after_ms or 0), now)
        if retry_after_ms is not None and reason is not Reason.RATE_LIMITED:
            self.penalise(now + retry_after_ms, now)

    def _throttled_ms(self, now: int) -> int:
        """Return how long to wait after "too many": doubled each time that nothing was taken in between."""
        if now >= self._until or not self._throttled:  # those that were under way together tell the same once
            self._throttled += 1
        return min(BASE_MS << min(self._throttled - 1, 32), PAUSE_CAP_MS)

    def learnt(self) -> Learnt:
        """Return what the ends of messages have taught so far."""
        silence = self._silent_since, self._ended_at, self._put_off, self._dead
        return self._until, self._throttled, self._full_since, self._usual_ms, silence, self.breaker.learnt()

    def restore(self, learnt: Learnt) -> None:
        """Forget what they have taught since."""
        self._until, self._throttled, self._full_since, self._usual_ms, silence, tries = learnt
        self._silent_since, self._ended_at, self._put_off, self._dead = silence
        self.breaker.restore(tries)

    def accepted(self, now: int, count: int) -> None:
        """Free the slots of `count` messages that were taken."""
        waited_ms = 0 if self._full_since is None else now - self._full_since
        self._usual_ms = max(waited_ms, self._usual_ms * 7 // 8)
        self.release(count)
        self._silent_since = now if self.in_flight else None
        self._throttled = self._put_off = self._dead = 0
        self.breaker.succeed(now, count)

    def next_at(self, now: int) -> int | None:
        """Return when more may go by the passing of time; None: now, or when something under way ends."""
        instants = [
            self.bucket.next_at(now),
            self.breaker.next_at(now),
            self._until if self._until > now else None,
        ]
        return max((at for at in instants if at is not None), default=None)


class Lessons:
    """What the answers of this tick have taught about accounts: forgotten with it, since they come again."""

    def __init__(self, limits: Mapping[int, AccountLimits], down_since: dict[int, int]) -> None:
        self._limits, self._down_since = limits, down_since
        self._before: dict[int, tuple[Learnt, int | None]] = {}  # by account

    def about(self, account_id: int) -> AccountLimits:
        """Return the limits of an account, to learn from what has ended."""
        limits = self._limits[account_id]
        if account_id not in self._before:
            self._before[account_id] = limits.learnt(), self._down_since.get(account_id)
        return limits

    def keep(self) -> None:
        """Let what was learnt stay."""
        self._before.clear()

    def forget(self) -> None:
        """Forget what was learnt since the last tick that was kept."""
        for account_id, (learnt, since) in self._before.items():
            self._limits[account_id].restore(learnt)
            self._down_since.pop(account_id, None)
            if since is not None:
                self._down_since[account_id] = since
        self._before.clear()
