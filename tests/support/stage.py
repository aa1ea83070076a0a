"""The real engine on a real database with a hand-moved clock, and a provider that answers as it is told.

stage = Stage(db)
stage.cascade(TEXT)
ann = stage.person("ann")
stage.event(ann, "left", cart_id=1)
stage.passes("24h")
assert stage.sent(ann) == ["letter", "sms"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from itertools import count
from typing import Any

from msgspec.structs import replace

from kaskad.domain.consent import ANY
from kaskad.domain.definition import to_cascade
from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.hours import add
from kaskad.domain.policy import Policy
from kaskad.domain.run import Run
from kaskad.domain.span import parse_span
from kaskad.domain.terms import Channel, Kind, MessageState, Outcome, Reason, SkipReason
from kaskad.domain.tokens import Signer
from kaskad.engine import counting
from kaskad.engine.arrival import Arrival, Unmatched
from kaskad.engine.catalog import POLICY
from kaskad.engine.clock import HandClock
from kaskad.engine.engine import Engine
from kaskad.engine.parcel import Parcel, Result
from kaskad.engine.receive import Delivery, InboundIn
from kaskad.engine.wording import gather
from kaskad.engine.world import Options, World
from kaskad.store import accounts, cascades, contacts, courses, settings
from kaskad.store import runs as run_store
from kaskad.store.db import Database, Row, Transaction
from kaskad.store.runs import RunKey
from kaskad.store.vault import Vault
from support.play import NOON

VAULT = Vault(["k" * 40])
KEYS = [(1, b"s" * 32)]
HASH_KEY = b"h" * 32
EVERYWHERE = tuple(channel for channel in Channel if channel not in (Channel.ROBOT_CALL, Channel.AGENT_CALL))

Answer = Callable[[Parcel], Result | None]


def accepted(parcel: Parcel, at: int, provider_id: str = "", kind: Kind | None = Kind.SENT) -> Result:
    """The provider took it."""
    return Result(parcel.contact_id, parcel.run_id, parcel.step, parcel.attempt, parcel.account_id, at,
                  provider_id=provider_id, kind=kind)  # fmt: skip


def refused(
    parcel: Parcel, at: int, reason: Reason, *, proven: bool = True, retry_after_ms: int | None = None
) -> Result:
    """The provider did not take it (`proven`), or nobody knows."""
    return Result(parcel.contact_id, parcel.run_id, parcel.step, parcel.attempt, parcel.account_id, at,
                  reason=reason, detail="refused", retry_after_ms=retry_after_ms,
                  accepted=False if proven else None)  # fmt: skip


def _some(tx: Transaction) -> set[RunKey]:
    """Return the runs of the contacts that were made first."""
    return {
        (run.contact_id, run.id) for runs in run_store.of_contacts(tx, range(1, 20)).values() for run in runs
    }


class Stage:
    """One engine on `db`. `answer` says what the provider answers to a parcel; None: it never answers."""

    def __init__(
        self, db: Database, *, policy: Policy | None = None, at: int = NOON, options: Options | None = None,
        account_each: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.db, self.clock = db, HandClock(at)
        self.parcels: list[Parcel] = []
        self.answer: Answer = lambda parcel: accepted(parcel, self.clock.now())
        self._numbers = count(1)
        self._slugs: dict[str, int] = {}
        with db.write() as tx:
            settings.put(tx, POLICY, policy or Policy.unlimited())
            for channel in Channel:
                accounts.save(tx, VAULT, self._account(channel, channel.value, **(account_each or {})))
        self._options = options or Options(base_url="https://go.example.org")
        self.restart()

    @staticmethod
    def _account(channel: Channel, name: str, **changes: Any) -> accounts.Account:
        limits = {"concurrency": 1_000, "per_second": 1e6, "burst": 100_000}
        own = {"url": "https://provider.example.org/", "idempotent": "no"}
        plain = accounts.Account(name=name, provider="generic_webhook", channel=channel, limits=limits,
                                 settings=own)  # fmt: skip
        return replace(plain, **changes)

    def restart(self) -> None:
        """Forget everything in memory, as a new process does."""
        self.world = World(self.clock, Signer(KEYS), self._options)
        self.engine = Engine(self.db, VAULT, self.world, lambda engine: self)

    def beside(self, db: Database, options: Options | None = None) -> Stage:
        """Return another process on the same database: its own memory, the same clock and provider."""
        other = Stage.__new__(Stage)
        other.db, other.clock, other.parcels = db, self.clock, self.parcels
        other.answer = lambda parcel: self.answer(parcel)
        other._numbers, other._slugs, other._options = self._numbers, self._slugs, options or self._options
        other.restart()
        return other

    # The engine's dispatcher

    def submit(self, parcels: list[Parcel]) -> None:
        self.parcels += parcels
        answers = [self.answer(parcel) for parcel in parcels]
        self.engine.take_results([result for result in answers if result is not None])

    def close(self, timeout_s: float) -> None:
        pass

    # What is set up

    def account(self, channel: Channel, name: str, **changes: Any) -> int:
        """Add an account, or change the one of that name; return its id."""
        with self.db.write() as tx:
            number = accounts.save(tx, VAULT, self._account(channel, name, **changes))
        self.engine._load()
        return number

    def cascade(self, text: str) -> int:
        """Save, activate and load a cascade; return its id."""
        slug = text.split("cascade:")[1].split()[0]
        with self.db.write() as tx:
            texts = gather(tx, to_cascade(text, name=slug))
            row = cascades.save_version(tx, slug, text, self.clock.now(), texts=texts)
            cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, self.clock.now())
        self._slugs[slug] = row.cascade_id
        self.engine._load()
        return row.cascade_id

    def pause(self, cascade_id: int, state: str = cascades.PAUSED) -> None:
        with self.db.write() as tx:
            cascades.set_state(tx, cascade_id, state, self.clock.now())
        self.engine._load()

    def person(
        self, name: str, channels: Iterable[Channel] = EVERYWHERE, *, zone: str | None = "UTC",
        addresses: dict[Channel, str] | None = None, consented: bool = True, **changes: Any,
    ) -> int:  # fmt: skip
        """Make a contact that can be reached on `channels` and has allowed everything; return its id."""
        values = {channel: f"{name}@{channel}.example.org" for channel in channels} | (addresses or {})
        told = contacts.Contact(
            external_id=name, zone=zone, attributes={"name": name, **changes.pop("attributes", {})},
            addresses=[contacts.Address(channel, value) for channel, value in values.items()],
            consents=[contacts.Consent(granted=True, at=1, purpose=ANY, proof="{}")] * consented, **changes,
        )  # fmt: skip
        with self.db.write() as tx:
            return contacts.upsert(tx, HASH_KEY, [told], self.clock.now())[0]

    # What happens

    def deliver(self, **what: Sequence[Any]) -> Future[Any]:
        """Hand something to the intake and let the engine take it; the future is that of the answer."""
        future = self.engine.deliver(Delivery(Future(), **what))
        self.works()
        return future

    def event(self, contact_id: int, name: str, *, id: str = "", ago: str = "0s", **properties: Any) -> None:
        """CRM or site tells an event."""
        self.deliver(events=[self.told(contact_id, name, id=id, ago=ago, **properties)])

    def told(
        self, contact_id: int, name: str, *, id: str = "", ago: str = "0s", **properties: Any
    ) -> EventIn:
        at = self.clock.now() - parse_span(ago).ms
        ref = ContactRef(id=contact_id)
        return EventIn(id or f"event-{next(self._numbers)}", name, ref, at, properties)

    def receipt(
        self, contact_id: int, *kinds: Kind, step: int | None = None, event: str = "", ago: str = "0s",
        value: str | None = None,
    ) -> None:  # fmt: skip
        """The provider reports, or the person does something, about the last message, or that of `step`."""
        parcel = next(
            p for p in reversed(self.parcels) if p.contact_id == contact_id and step in (None, p.step)
        )
        at = self.clock.now() - parse_span(ago).ms
        key = (contact_id, parcel.run_id, parcel.step)
        self.deliver(
            arrivals=[Arrival(*key, kind, event or f"r{next(self._numbers)}", at, value) for kind in kinds]
        )

    def unmatched(self, account_id: int, provider_id: str, kind: Kind, event: str = "e") -> None:
        """A receipt that names only the provider's id."""
        self.deliver(unmatched=[Unmatched(account_id, provider_id, kind, event, self.clock.now())])

    def says(self, channel: Channel, address: str, text: str) -> Future[Any]:
        """A person writes to us."""
        one = InboundIn(channel, address, Kind.REPLIED, f"in{next(self._numbers)}", self.clock.now(), text)
        return self.deliver(inbound=[one])

    def hits(
        self, contact_id: int, *links: int, method: str = "GET", agent: str = "Firefox", ip: str = "192.0.2.7"
    ) -> None:
        """Requests to links of the last message (-1: the pixel, -2: the honeypot)."""
        parcel = next(p for p in reversed(self.parcels) if p.contact_id == contact_id)
        now = self.clock.now()
        rows = [
            (contact_id, parcel.run_id, parcel.step, link, now, method, ip, agent, now + 10_000)
            for link in links
        ]
        self.deliver(hits=rows)

    def works(self) -> None:
        """Let the engine do all that can be done at this instant."""
        for _ in range(50):
            more = self.engine._work()
            if not more and not self.engine._results and not self.engine._deliveries:
                return self._is_counted()
        raise AssertionError("the engine does not come to rest")

    def _is_counted(self) -> None:
        """Whatever changes a run lets it be counted anew: what reports count is what the rows say now."""
        with self.db.write() as tx:
            while counting.count(tx, 10_000, noted=self.engine.world.work.noted):
                pass
            for key, one in courses.stand(tx, _some(tx), {}).items():
                assert one.counted == one.entry, f"the run {key} has changed, and was not to be counted anew"

    def passes(self, span: str) -> None:
        """Let time pass, waking the engine whenever it wants to be."""
        until = add(self.clock.at, parse_span(span), "UTC")
        self.works()
        for _ in range(20_000):
            due = self.engine.next_at
            if due is None or due > until:
                break
            self.clock.at = max(self.clock.at + 1, due)
            self.works()
        else:
            raise AssertionError("the engine is woken again and again")
        self.clock.at = until
        self.works()

    def sleeps(self, span: str) -> None:
        """Let time pass while the engine does not run."""
        self.clock.at = add(self.clock.at, parse_span(span), "UTC")

    # What the tests ask

    def sent(self, contact_id: int) -> list[str]:
        """The ids of the steps of all submissions to a contact, in order, of every tick so far.

        What a tick hands over goes once the disk has the tick, where the engine runs by itself.
        """
        self.engine._effects.catch_up()
        found = []
        for parcel in self.parcels:
            if parcel.contact_id == contact_id:
                run = self.run(contact_id, parcel.run_id)
                found.append(self.world.versions[run.version_id].cascade.steps[parcel.step].id)
        return found

    def runs(self, contact_id: int) -> list[Run]:
        with self.db.write() as tx:
            return run_store.of_contacts(tx, [contact_id]).get(contact_id, [])

    def run(self, contact_id: int, run_id: int | None = None) -> Run:
        """Return the contact's run, the last one if none is named."""
        return next(run for run in reversed(self.runs(contact_id)) if run_id in (None, run.id))

    def outcome(self, contact_id: int) -> str | None:
        code = self.run(contact_id).outcome
        return None if code is None else Outcome.of(code).value

    def states(self, contact_id: int) -> dict[str, str]:
        """The state of every message of the contact's last run by its step's id; of a skip, the reason."""
        run = self.run(contact_id)
        steps = self.world.versions[run.version_id].cascade.steps
        found = {}
        for step, passage in self.passages(contact_id).items():
            state = MessageState.of(passage.state)
            skipped = state is MessageState.SKIPPED
            found[steps[step].id] = SkipReason.of(passage.reason or 0).value if skipped else state.value
        return found

    def passages(self, contact_id: int) -> dict[int, Any]:
        run = replace(self.run(contact_id), step=max(0, self.run(contact_id).step))
        with self.db.write() as tx:
            return run_store.passages(tx, [run], ())[0][run.contact_id, run.id]

    def rows(self, name: str, **params: Any) -> list[Row]:
        with self.db.write() as tx:
            return tx.all(name, **params)

    def rows_among(self, name: str, ids: list[int], **params: Any) -> list[Row]:
        with self.db.write() as tx:
            return tx.among(name, ids, **params)

    def at(self, contact_id: int) -> list[int]:
        """When the contact's messages were handed over."""
        return [parcel.outgoing.at for parcel in self.parcels if parcel.contact_id == contact_id]
