"""`GET /metrics`: how this installation does, in the words of Prometheus. It names no people."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib.metadata import version
from time import monotonic
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Struct
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from kaskad.actions.alarms import MOST_RESTING
from kaskad.actions.office import Office
from kaskad.analytics.courses import messages, standings
from kaskad.domain.course import Leg
from kaskad.domain.money import DIGITS
from kaskad.domain.terms import Channel, MessageState, TaskState
from kaskad.engine.pulse import BOUNDS_S
from kaskad.store import accounts as account_store
from kaskad.store import set_aside
from kaskad.store.db import Transaction
from kaskad.store.webhooks import STATES
from kaskad.web.auth import may
from kaskad.web.hooks import Hooks

COUNT_EVERY_S = 60.0  # all there is is counted no oftener, and for at most a fiftieth of the time
_SHARE = 50

router = APIRouter(tags=["metrics"])


class Counts(Struct, frozen=True):
    """What there is of messages and runs altogether."""

    messages: Counter[Leg]
    under_way: Mapping[int, int]  # runs, by cascade
    until: float


class Metrics(Collector):
    """Gathers the figures of one process; what is counted in the database is that of all processes."""

    def __init__(self, office: Office, hooks: Hooks) -> None:
        self._office, self._hooks = office, hooks
        self._counts = Counts(Counter(), {}, 0.0)
        self._lock = threading.Lock()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names are those that `collect` gives."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the figures as they are now."""
        with self._office.read() as tx:
            counts = self._counted(tx)
            yield from self._of_engine(tx)
            yield from self._of_accounts(tx)
            yield from self._of_messages(tx, counts)
            yield from self._of_webhooks(tx)
            yield from self._of_tasks(tx)

    def _counted(self, tx: Transaction) -> Counts:
        with self._lock:
            began = monotonic()
            if began >= self._counts.until:
                told = messages(tx)
                under_way = {cascade_id: counts[1] for cascade_id, counts in standings(tx).items()}
                ended = monotonic()
                pause_s = max(COUNT_EVERY_S, _SHARE * (ended - began))
                self._counts = Counts(told, under_way, ended + pause_s)
            return self._counts

    def _of_engine(self, tx: Transaction) -> Iterable[Metric]:
        engine, now = self._office.engine, self._office.now()
        yield InfoMetricFamily("kaskad", "The program.", {"version": version("kaskad")})
        yield _gauge(
            "kaskad_engine_up", "1 while the engine of this process works.", engine.problem() is None
        )
        entries, oldest_at = tx.one("metric_inbox") or (0, None)
        yield _gauge("kaskad_inbox_entries", "Told to us and not yet applied.", entries)
        yield _gauge("kaskad_inbox_age_seconds", "Age of the oldest of them.", _age_s(now, oldest_at))
        yield _gauge(
            "kaskad_inbox_set_aside", "Told to us and not to be applied, because of a defect.",
            set_aside.count(tx),
        )  # fmt: skip
        yield _gauge(
            "kaskad_resting", "What rests for an hour, because of a defect: runs, clicks, parts.",
            len(set_aside.resting(tx, now, MOST_RESTING)),
        )  # fmt: skip
        due = [row[0] for row in (tx.one("next_wake_at", since=0), tx.one("next_guard_at", now=now)) if row]
        late_s = max([_age_s(now, at) for at in due], default=0.0)
        yield _gauge("kaskad_timer_lag_seconds", "How late the run is that has been due longest.", late_s)
        counts, seconds = list(engine.pulse.counts), engine.pulse.seconds
        buckets, total = [], 0
        for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        yield HistogramMetricFamily("kaskad_tick_seconds", "How long ticks took.", buckets, seconds)

    def _of_accounts(self, tx: Transaction) -> Iterable[Metric]:
        world = self._office.engine.world
        queued = account_store.queue_lengths(tx)
        queue = GaugeMetricFamily("kaskad_queue", "Messages that wait for an account.", labels=["account"])
        flight = GaugeMetricFamily(
            "kaskad_in_flight", "Messages handed over, not answered yet.", labels=["account"]
        )
        broken = GaugeMetricFamily(
            "kaskad_breaker_open", "1 while a provider fails and is not asked.", labels=["account"]
        )
        for account in list(world.accounts.values()):
            labels = [account.name]
            queue.add_metric(labels, queued.get(account.id, 0))
            flight.add_metric(labels, world.traffic.under_way[account.id])
            limits = world.traffic.limits.get(account.id)
            broken.add_metric(labels, float(limits is not None and limits.breaker.open_until is not None))
        yield from (queue, flight, broken)

    def _of_messages(self, tx: Transaction, counts: Counts) -> Iterable[Metric]:
        names = {
            row[0]: (row[1], msgspec.json.decode(row[8]).get("currency", "")) for row in tx.all("accounts")
        }
        slugs = {one.id: one.slug for one in list(self._office.engine.world.cascades.values())}
        told = GaugeMetricFamily(
            "kaskad_messages", "Messages and skipped steps, counted once a minute.",
            labels=["channel", "state"],
        )  # fmt: skip
        money = GaugeMetricFamily("kaskad_money_spent", "What messages cost.", labels=["account", "currency"])
        spent: dict[tuple[str, str], int] = {}
        states: dict[tuple[str, str], int] = {}
        for leg, count in counts.messages.items():
            place = (Channel.of(leg.channel).value, MessageState.of(leg.state).value)
            states[place] = states.get(place, 0) + count
            if leg.account_id in names and names[leg.account_id][1]:
                spent[names[leg.account_id]] = spent.get(names[leg.account_id], 0) + count * leg.cost
        for place, count in sorted(states.items()):
            if count:
                told.add_metric(list(place), count)
        for (name, currency), minor in sorted(spent.items()):
            money.add_metric([name, currency], float(Decimal(minor).scaleb(-DIGITS.get(currency, 2))))
        live = GaugeMetricFamily(
            "kaskad_runs_live", "Runs under way, counted once a minute.", labels=["cascade"]
        )
        for cascade_id, count in counts.under_way.items():
            live.add_metric([slugs.get(cascade_id, str(cascade_id))], count)
        yield from (told, money, live)

    def _of_webhooks(self, tx: Transaction) -> Iterable[Metric]:
        yield _counter("kaskad_webhooks_received", "Webhooks of providers that were kept.", self._hooks.taken)
        yield _counter("kaskad_webhooks_refused", "Webhooks with a wrong signature.", self._hooks.refused)
        told = GaugeMetricFamily(
            "kaskad_outgoing_webhooks", "Deliveries of the last 30 days.", labels=["webhook", "state"]
        )
        for webhook_id, state, count, _ in tx.all("count_deliveries"):
            told.add_metric([str(webhook_id), STATES[state]], count)
        yield told

    def _of_tasks(self, tx: Transaction) -> Iterable[Metric]:
        names = {one.id: one.name for one in list(self._office.engine.world.accounts.values())}
        now = self._office.now()
        live = GaugeMetricFamily(
            "kaskad_tasks", "Calls by people that are not closed.", labels=["account", "state", "urgent"]
        )
        left = GaugeMetricFamily(
            "kaskad_task_due_seconds", "Until the first of them expires, by account.", labels=["account"]
        )
        first: dict[str, int] = {}
        for account_id, state, urgent, count, due_at in tx.all("metric_tasks"):
            name = names.get(account_id, str(account_id))
            live.add_metric([name, TaskState.of(state).value, "yes" if urgent else "no"], count)
            first[name] = min(due_at, first.get(name, due_at))
        for name, due_at in sorted(first.items()):
            left.add_metric([name], (due_at - now) / 1000)
        yield from (live, left)


@router.get(
    "/metrics",
    dependencies=[may("metrics:read")],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def read_metrics(request: Request) -> Response:
    """Return the figures of this process and its database as Prometheus reads them."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _gauge(name: str, help: str, value: Any) -> Metric:
    return GaugeMetricFamily(name, help, value=float(value))


def _counter(name: str, help: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help, labels=["account"])
    for account, count in sorted(dict(counts).items()):
        family.add_metric([account], count)
    return family


def _age_s(now: int, at: int | None) -> float:
    return 0.0 if at is None else max(0.0, (now - at) / 1000)
