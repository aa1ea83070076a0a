"""What the engine keeps in memory between ticks: its parts, and what is of the whole installation."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from kaskad.domain.machine import NO_RANGES
from kaskad.domain.policy import Policy
from kaskad.domain.rhythm import Curves
from kaskad.domain.site import Site
from kaskad.domain.tokens import Signer
from kaskad.engine.accounts import Accounts
from kaskad.engine.clock import Clock
from kaskad.engine.money import Money
from kaskad.engine.outbox import Outbox
from kaskad.engine.traffic import Traffic
from kaskad.engine.versions import Cascades, Versions
from kaskad.engine.work import Work


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


class World:
    """The engine's memory. Filled by `catalog.load`, read by the tick's thread only."""

    def __init__(self, clock: Clock, signer: Signer, options: Options) -> None:
        self.clock = clock
        self.signer = signer
        self.options = options
        self.shared = False  # other processes work on the same database
        self.versions = Versions()
        self.cascades = Cascades()
        self.accounts = Accounts(options.base_url)
        self.traffic = Traffic(self.accounts, options.submit_guard_ms)
        self.money = Money()
        self.work = Work(options.due_limit)
        self.policy = Policy()  # of the installation; versions have theirs, which is the same
        self.outbox: Outbox | None = None  # None: nobody is to be told of anything
        self.curves = Curves()  # at which hours people react
        self.seeds: frozenset[int] = frozenset()  # contacts who get what others get, and are in no figure
        self.merges = False  # contacts were merged: what comes in may tell of one that is no more
        self.hash_key = b""  # of suppressed addresses
        self.files: dict[str, bytes] = {}  # contents by digest, see engine/enclosures
        self.link_hosts: frozenset[bytes] = frozenset()  # of brands' short links
        self.sites: dict[str, Site] = {}  # shops' pages, by their public key
        self.site_hosts: frozenset[str] = frozenset()  # of pages that tell that they are shown
        self.ranges = NO_RANGES  # of machines' IP addresses
        self.ranges_mark: object = None  # what they were read from

    def set_sites(self, sites: Iterable[Site]) -> None:
        """Replace what is known of shops' pages."""
        self.sites = {site.write_key: site for site in sites}
        self.site_hosts = frozenset(
            origin.partition("://")[2] for site in self.sites.values() for origin in site.origins
        )

    def link_url(self, brand: str) -> str:
        """Return under what a brand's short links stand; "": it has long ones."""
        if not self.options.base_url:
            return ""
        return self.policy.brand(brand).link_domain.rstrip("/") or self.options.link_url

    def committed(self) -> None:
        """Take over what a tick has changed besides the database."""
        self.work.committed()
        self.traffic.committed()

    def forget_tick(self) -> None:
        """Undo what a tick that was rolled back has noted here."""
        self.work.forget()
        self.traffic.forget()
