"""What the engine keeps in memory between ticks: versions, accounts and their limits, keys, the clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from msgspec import Struct

from kaskad.domain.machine import NO_RANGES
from kaskad.domain.policy import MINUTE, Policy
from kaskad.domain.rhythm import Curves
from kaskad.domain.run import Run
from kaskad.domain.site import Site
from kaskad.domain.task import DeskPlan
from kaskad.domain.tokens import Signer
from kaskad.engine.available import Available, Members
from kaskad.engine.backlog import Backlog
from kaskad.engine.clock import Clock
from kaskad.engine.holds import Holds
from kaskad.engine.limits import FAR, AccountLimits, Breaker, Lessons, TokenBucket
from kaskad.engine.money import Money
from kaskad.engine.outbox import Outbox
from kaskad.engine.texts import Texts
from kaskad.engine.versions import Cascades, Versions
from kaskad.providers import provider
from kaskad.providers.base import Account, Capabilities, Provider, limits_of
from kaskad.providers.desk import Desk, plan_of
from kaskad.store.courses import Noted
from kaskad.store.holds import Held


class Options(Struct, frozen=True):
    """How this process works; times in milliseconds."""

    base_url: str = ""  # of tracked links and webhooks; "" sends links as they are
    link_url: str = ""  # of the short links of texts and messengers; "": they have long ones
    submit_guard_ms: int = 90_000  # longer than any transport waits for an answer
    link_life_ms: int = 90 * 86_400_000
    due_limit: int = 4_000  # runs moved in one tick, at most
    enrol_limit: int = 4_000
    inbox_limit: int = 10_000
    inbox_patience_ms: int = 1_000  # with an older entry unapplied, timers wait …
    timer_patience_ms: int = 30_000  # … but no longer than this
    wait_unwritten_from: int = 100  # so many more than an account has slots for stay due, unclaimed …
    # … for so long; who waits longer is queued, and a step's patience begins only then: so it is
    # half a minute of a fast clock too, where whoever is in line is queued by the next tick.
    wait_unwritten_ms: int = 30_000
    moves: bool = True  # False: a process that only takes what arrives, for others to act on (PostgreSQL)


TICK_S = 0.1
MIN_DUE = 250


class Handed(Struct, frozen=True, gc=False):
    """A submission under way: what its run was left at, and how long plain silence lasts after it."""

    seq: int
    silence_ms: int


Word = tuple[int, str, bool]  # the channel and address of whoever said it; whether it was a stop


class Part(Enum):
    """What a tick can leave undone for a while, without harm to what is under way."""

    LAUNCHES = "entries by launches"
    DATES = "entries by dates"
    TIDYING = "what is kept for a time only"
    ORPHANS = "receipts that came before their message"
    RECEIPTS = "messages of which nothing is told"
    RETENTION = "what the policy keeps for a time only"
    RETURNS = "past returns"
    COUNTING = "counting"


class World:
    """The engine's memory. Filled by `catalog.load`, read by the tick's thread only."""

    def __init__(self, clock: Clock, signer: Signer, options: Options) -> None:
        self.clock = clock
        self.signer = signer
        self.options = options
        self.link_hosts: frozenset[bytes] = frozenset()  # of brands' short links
        self.hash_key = b""  # of suppressed addresses
        self.shared = False  # other processes work on the same database
        self.policy = Policy()  # of the installation; versions have theirs, which is the same
        self.outbox: Outbox | None = None  # None: nobody is to be told of anything
        self.journals: dict[int, frozenset[str]] = {}  # by account of a CRM: the events its journal holds
        self.seeds: frozenset[int] = frozenset()  # contacts who get what others get, and are in no figure
        self.versions = Versions()
        self.cascades = Cascades()
        self.accounts: dict[int, Account] = {}
        self.status_urls: dict[int, str] = {}  # where each account's receipts go; "" without a base URL
        self.accounts_by_name: dict[str, Account] = {}
        self.limits: dict[int, AccountLimits] = {}
        self.files: dict[str, bytes] = {}  # contents by digest, see engine/enclosures
        self.capabilities: dict[int, Capabilities] = {}
        self.by_channel: dict[int, list[Account]] = {}
        self.picky: dict[int, list[Account]] = {}  # by channel, the accounts that take some addresses only
        self.windows: dict[int, int] = {}  # account -> how long free text is taken after a person's message
        self.window_channels: frozenset[int] = frozenset()  # of these accounts
        self.approved: dict[int, Texts] = {}  # account -> its approved texts
        self.money = Money()
        self.ranges = NO_RANGES  # of machines' IP addresses
        self.ranges_mark: object = None  # what they were read from
        self.sites: dict[str, Site] = {}  # shops' pages, by their public key
        self.site_hosts: frozenset[str] = frozenset()  # of pages that tell that they are shown
        self.desks: dict[int, DeskPlan] = {}  # accounts whose messages become tasks of our own people
        self.stands_in: dict[int, int] = {}  # account -> by which goes what waits for it, if any can
        self.retriable: frozenset[int] = frozenset()
        self.down_since: dict[int, int] = {}  # account -> since when its breaker has been open
        self.lessons = Lessons(self.limits, self.down_since)
        self.holds = Holds()  # mail accounts that servers refuse for what they are
        self.merges = False  # contacts were merged: what comes in may tell of one that is no more
        self.moving: tuple[Sequence[Run], ...] = ()  # the runs that the last tick has moved, or failed at
        self.resting: dict[Part | int, int] = {}  # a part, or a launch -> until when: a defect of ours
        self.entries_set_aside = 0  # of the inbox: their contacts' runs wait
        self.old_inbox = False  # timers go on although an entry of the inbox is older than they wait for
        self.known_inputs: dict[object, int] = {}
        self.conflicts = 0  # times in a row that this tick was undone by a row that was not as expected
        self.noted: Noted | None = None  # runs that are due to be counted, where only this process counts
        self.due_limit = options.due_limit  # runs in one tick, now
        self.troubles: dict[str, str] = {}  # account -> why it cannot be set up or polled; of the poller
        self.queued: dict[int, int] = {}  # account -> instant from which something waits for it
        self.backlog = Backlog()
        self._answered: dict[Word, int] = {}  # when a word was answered by a text
        self.under_way: Counter[int] = Counter()  # by account, parcels handed over, no result applied
        self.handed: dict[tuple[int, int, int], Handed] = {}
        self.refusals: Counter[tuple[int, str]] = Counter()  # cascade and reason -> entries refused
        self.curves = Curves()  # at which hours people react

    def set_accounts(self, accounts: Iterable[Account]) -> None:
        """Replace the accounts; those that stay keep the tokens and slots they have taken."""
        given = {account.id: account for account in accounts}
        for number, known_as in self.accounts.items():
            now_as = given.get(number, known_as)
            if (now_as.settings, now_as.secrets) != (known_as.settings, known_as.secrets):
                self.limits[number].try_anew(self.clock.now())
        for gone in self.accounts.keys() - given.keys():
            del self.accounts[gone]
        self.accounts.update(given)  # in place: the dispatcher reads this very mapping
        self.accounts_by_name = {account.name: account for account in self.accounts.values()}
        base_url = self.options.base_url
        self.status_urls = {
            a.id: f"{base_url}/hooks/{a.name}" if base_url else "" for a in self.accounts.values()
        }
        channels: dict[int, list[Account]] = defaultdict(list)
        retriable = set()
        windows: dict[int, int] = {}
        picky: dict[int, list[Account]] = defaultdict(list)
        for account in sorted(self.accounts.values(), key=lambda a: (a.priority, a.id)):
            able = provider(account.provider).capabilities
            self.capabilities[account.id] = able
            if able.idempotent and account["idempotent"] != "no":
                retriable.add(account.id)
            if account.enabled:
                channels[account.channel.code].append(account)
                if type(provider(account.provider)).takes is not Provider.takes:
                    picky[account.channel.code].append(account)
                if able.window_ms:
                    windows[account.id] = able.window_ms
            own, known = limits_of(account, able), self.limits.get(account.id)
            if known is None:
                bucket = TokenBucket(own.per_second, own.burst)
                breaker, guard_ms = Breaker(key=account.name), self.options.submit_guard_ms
                self.limits[account.id] = AccountLimits(own.concurrency, bucket, breaker, guard_ms)
            else:
                known.change(own.concurrency, own.per_second, own.burst)
        self.by_channel = dict(channels)
        self.picky = dict(picky)
        self.windows = windows
        self.window_channels = frozenset(self.accounts[number].channel.code for number in windows)
        self.desks = {a.id: plan_of(a) for a in self.accounts.values() if a.provider == Desk.name}
        self.retriable = frozenset(retriable)

    def set_sites(self, sites: Iterable[Site]) -> None:
        """Replace what is known of shops' pages."""
        self.sites = {site.write_key: site for site in sites}
        self.site_hosts = frozenset(
            origin.partition("://")[2] for site in self.sites.values() for origin in site.origins
        )

    def first_answer(self, word: Word, now: int) -> bool:
        """Return whether a word is answered for the first time within a minute, and note it.

        Words that come in one tick do not yet see what the others change.
        """
        for key, at in list(self._answered.items()):
            if now - at < MINUTE:
                break
            del self._answered[key]
        first = word not in self._answered
        if first:
            self._answered[word] = now
        return first

    def text_states(self, account_id: int) -> Mapping[tuple[str, str], str] | None:
        """Return the state of each approved text of the account; None where its service takes none."""
        if not self.capabilities[account_id].approved:
            return None
        return {key: text.state for key, text in self.approved.get(account_id, {}).items()}

    def refused_entry(self, cascade_id: int, reason: str) -> None:
        """Count an enrolment that a re-entry rule or the trigger's condition refused."""
        self.refusals[cascade_id, reason] += 1

    def link_url(self, brand: str) -> str:
        """Return under what a brand's short links stand; "": it has long ones."""
        if not self.options.base_url:
            return ""
        return self.policy.brand(brand).link_domain.rstrip("/") or self.options.link_url

    def available(self, now: int, patience_ms: int) -> Available:
        """Return each channel's account to use: the first that works, else one not down for too long.

        Accounts of one priority share the contacts out by weight.
        """
        firsts: dict[int, int] = {}
        shared: dict[int, Members] = {}
        for channel, accounts in self.by_channel.items():
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
            for account in self.accounts.values()
            if account.enabled and now - self.down_since.get(account.id, now) < max(1, patience_ms)
        }

    def stand_in(self, account_id: int, now: int) -> int:
        """Return by which account goes what has never left and waits for this one, which is down; 0: by none.

        What a step, a person's dialogue or an address asks of its account is asked of no other.
        """
        account = self.accounts.get(account_id)
        if account is None or self.limits[account_id].works(now):
            return 0
        channel = account.channel.code
        if channel in self.picky or channel in self.window_channels or account.name in self.versions.named:
            return 0
        others = self.by_channel.get(channel, ())
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

    def committed(self) -> None:
        """Take over what a tick has changed besides the database."""
        if self.noted is not None:
            self.noted.committed()
        self.lessons.keep()
        for account_id in self.holds.committed():
            self._hold(account_id, self.holds.held[account_id].at)

    def _hold(self, account_id: int, at: int) -> None:
        if account_id in self.limits:
            self.limits[account_id].breaker.hold()
            self.watch_breaker(account_id, at)

    def free(self, account_id: int, now: int) -> int:
        """Return how many messages the account could take now, without taking the slots."""
        limits = self.limits[account_id]
        if limits.busy or (limits.next_at(now) or now) > now:
            return 0
        return max(0, min(limits.concurrency - limits.in_flight, limits.bucket.available(now)))

    def rests(self, what: Part | int, now: int) -> bool:
        """Return whether a part of the tick, or a launch, is left undone now, as a defect has stopped it."""
        return bool(self.resting) and now < self.resting.get(what, 0)

    def forget_tick(self) -> None:
        """Undo what a tick that was rolled back has noted here."""
        self.known_inputs.clear()
        if self.noted is not None:
            self.noted.forget()
        self.holds.forget()
        self.backlog.rewind()
        for account_id, limits in self.limits.items():
            limits.in_flight = self.under_way[account_id]
            limits.breaker.give_back()  # its probe has not left; at worst a second one goes
            self.has_queued(account_id, 0)
        self.lessons.forget()

    def pace(self, moved: int, took_s: float) -> None:
        """Fit the next ticks to about TICK_S: short enough to hear reactions in, long enough to be cheap."""
        if moved and took_s > 2 * TICK_S:
            self.due_limit = max(min(MIN_DUE, self.options.due_limit), self.due_limit // 2)
        elif moved >= self.due_limit and took_s < TICK_S:
            self.due_limit = min(self.options.due_limit, self.due_limit * 2)

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
