"""What a service tells over the connection that also sends: lost and doubled by nothing."""

import os
import signal
from collections import Counter
from contextlib import contextmanager

import pytest

from kaskad.domain.event import ContactRef, EventIn
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind
from kaskad.domain.tokens import Signer
from kaskad.engine.catalog import POLICY
from kaskad.engine.clock import SystemClock
from kaskad.engine.dispatch import Dispatcher
from kaskad.engine.engine import Engine
from kaskad.engine.errands import Errands
from kaskad.engine.ingest import Ingest
from kaskad.engine.listener import Hearing
from kaskad.engine.poller import Poller
from kaskad.engine.sender import Sender
from kaskad.engine.world import Options, World
from kaskad.store import accounts, cascades, contacts, settings
from support.faults import until
from support.smsc import receipt, says, smsc
from support.stage import HASH_KEY, KEYS, VAULT

CASCADE = """
cascade: note
class: transactional
topic: orders
trigger: {event: joined}
steps:
  - {id: text, channel: sms, text: Hello, wait: 6h}
"""


class Desk:
    """One process of Kaskad without its web server, sending from a child or from a thread."""

    def __init__(self, db, way):
        self.db, self.way = db, way
        self.world = World(SystemClock(), Signer(KEYS), Options(base_url="https://go.example.org"))
        with db.write() as tx:
            settings.put(tx, POLICY, Policy.unlimited())
        self.engine = Engine(db, VAULT, self.world, self._dispatch)
        self.errands = Errands()
        self.ingest = Ingest(self.engine, db)
        self.poller = Poller(self.errands, self.ingest, self.engine)

    def _dispatch(self, engine):
        self.sender = self.way(self.world.accounts, self.world.clock.now, engine.take_results)
        return self.sender

    def start(self):
        self.engine.start()
        self.engine.listen(Hearing(self.engine, self.ingest, self.poller))

    def save(self, port, name="gate", *, window=20, enabled=True, **more):
        own = {"host": "127.0.0.1", "port": str(port), "system_id": "kaskad", "sender": "Shop", **more}
        account = accounts.Account(
            name=name, provider="smpp", channel=Channel.SMS, settings=own, secrets={"password": "secret"},
            limits={"concurrency": window, "per_second": 100_000, "burst": 100_000}, enabled=enabled,
        )  # fmt: skip
        self.engine.write(lambda tx: accounts.save(tx, VAULT, account)).result(30)
        self.engine.reload()

    def people(self, count):
        told = [
            contacts.Contact(external_id=f"p{n}", zone="UTC",
                             addresses=[contacts.Address(Channel.SMS, f"+7900{n:07}")])
            for n in range(count)
        ]  # fmt: skip
        return self.engine.write(lambda tx: contacts.upsert(tx, HASH_KEY, told, 1)).result(30)

    def cascade(self):
        def change(tx):
            row = cascades.save_version(tx, "note", CASCADE, self.world.clock.now())
            cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, self.world.clock.now())

        self.engine.write(change).result(30)
        self.engine.reload()

    def joins(self, ids):
        now = self.world.clock.now()
        events = [EventIn(f"e{one}", "joined", ContactRef(id=one), now, {}) for one in ids]
        assert self.ingest.events(events).result(30) == [None] * len(ids)

    def facts(self, contact_id):
        with self.db.read() as tx:
            runs = [row[1] for row in tx.among("runs_of_contacts", [contact_id])]
            key = {"contact_id": contact_id}
            rows = [row for run_id in runs for row in tx.all("facts_of_run", **key, run_id=run_id)]
        return [Kind(row[1]) for row in rows]

    def kinds(self, ids):
        """Return how many of the people have each kind of fact."""
        return Counter(kind for one in ids for kind in set(self.facts(one)))


@contextmanager
def desk(db, way=Sender):
    running = Desk(db, way)
    running.start()
    try:
        yield running
    finally:
        running.engine.stop(5)


@pytest.fixture(params=[Dispatcher, Sender], ids=["thread", "process"])
def way(request):
    return request.param


def test_a_receipt_and_an_answer_become_facts_and_then_the_centre_is_answered(db, way):
    with smsc() as centre, desk(db, way) as running:
        running.save(centre.port)
        until(lambda: centre.sessions)  # bound although there is nothing to send
        running.cascade()
        ann, = running.people(1)  # fmt: skip
        running.joins([ann])
        until(lambda: centre.got)
        to = centre.got[0].dest.value
        centre.report(receipt("m1", to=to), 1)
        until(lambda: centre.answered)
        assert centre.answered == [(1, 0)]
        until(lambda: Kind.DELIVERED in running.facts(ann))  # kept apart where it came before the acceptance
        centre.report(receipt("m1", to=to), 2)
        centre.report(says("Да, спасибо", number=to), 3)
        until(lambda: len(centre.answered) == 3)
        until(lambda: Kind.REPLIED in running.facts(ann))
        assert Counter(running.facts(ann))[Kind.DELIVERED] == 1
    assert centre.unbound == 1


def test_what_is_told_while_the_engine_stops_is_not_answered_as_taken(db):
    with smsc() as centre, desk(db) as running:
        running.save(centre.port)
        until(lambda: centre.sessions)
        running.engine._give_up("a test")
        centre.report(receipt("m1"), 1)
        until(lambda: centre.answered)
    assert centre.answered == [(1, 0x64)]


def test_a_child_that_dies_is_replaced_and_bound_anew_though_there_is_nothing_to_send(db):
    with smsc() as centre, desk(db) as running:
        running.save(centre.port)
        until(lambda: centre.sessions)
        os.kill(running.sender.pid, signal.SIGKILL)
        until(lambda: len(centre.binds) == 2)
        centre.report(receipt("m1"), 1)
        until(lambda: centre.answered)
    assert centre.answered == [(1, 0)]


def test_a_centre_that_cannot_be_bound_is_told_and_that_it_works_again_too(db, way):
    with smsc() as centre, desk(db, way) as running:
        centre.bind_status = 0x0E
        running.save(centre.port)
        until(lambda: "refused the bind" in running.world.traffic.troubles.get("gate", ""))
        centre.bind_status = 0
        until(lambda: "gate" not in running.world.traffic.troubles)


def test_an_account_that_changes_binds_anew_and_one_that_is_disabled_leaves(db):
    with smsc() as centre, desk(db) as running:
        running.save(centre.port)
        until(lambda: centre.sessions)
        running.save(centre.port, system_type="VMA")
        until(lambda: len(centre.binds) == 2)
        assert centre.binds[1][1].system_type == "VMA"
        running.save(centre.port, enabled=False)
        until(lambda: centre.unbound == 2 and not centre.sessions)
    assert len(centre.binds) == 2


def test_a_thousand_over_a_session_that_is_cut_in_the_middle(db):
    """Window 20: each is submitted once; those whose answer was lost are unknown, at most the window."""
    window, count = 20, 1000
    with smsc() as centre, desk(db) as running:
        running.save(centre.port, window=window)
        running.cascade()
        ids = running.people(count)
        held = []

        def answer(message):
            number = len(centre.got)
            if len(centre.binds) == 1 and number > count // 2:  # takes them, and answers no more
                held.append(message.dest.value)
                if len(held) == window:
                    centre.loop.call_soon(lambda: [one.transport.abort() for one in list(centre.sessions)])
                return None
            return f"m{message.dest.value}"

        centre.answer = answer
        running.joins(ids)
        until(lambda: len(centre.got) == count and not running.world.traffic.under_way[1], 60)
        numbers = [message.dest.value for message in centre.got]
        assert len(centre.binds) == 2 and len(set(numbers)) == count  # none twice, none lost
        assert running.kinds(ids) == {Kind.UNKNOWN: window}
        for number, value in enumerate(reversed(numbers)):  # in another order than they were sent
            centre.report(receipt(f"m{value}", to=value), number)
        until(lambda: len(centre.answered) == count, 30)
        assert {status for _, status in centre.answered} == {0}
        assert running.kinds(ids) == {Kind.UNKNOWN: window, Kind.DELIVERED: count - window}
