"""The real server in a process of its own, with messages sent and waiting for receipts.

`python -m kaskad.bench.server DATABASE MESSAGES RECEIVER` fills the empty database and sends one message to
each person. It prints the server's URL as a line, then a line `contact run reference` for each message, then
an empty line, and serves until its input ends.
"""

from __future__ import annotations

import sys
import time

from kaskad.bench.place import PostgresPlace, SqlitePlace
from kaskad.bench.prepare import ACCOUNTS, definition, prepare
from kaskad.config import Settings
from kaskad.log import configure
from kaskad.store import cascades
from kaskad.store.db import open_database
from kaskad.store.migrate import upgrade
from kaskad.web.service import Service, serving, vault_of

CONCURRENCY = 256


def main(database: str, messages: int, receiver: str) -> None:
    """Be the server."""
    key = "a-key-of-a-benchmarks-database-of-no-worth"
    configure("warning")
    settings = Settings(database=database, listen="127.0.0.1:0", secret_key=key)
    db = open_database(database.removeprefix("sqlite:"))
    upgrade(db)
    text = definition().replace("wait: 1s", "wait: 1d")  # all messages stay where receipts are awaited
    version_id = prepare(db, vault_of(settings), messages, receiver, CONCURRENCY, text)
    db.close()
    with serving(settings, "kaskad bench ingest") as service:
        _send(service, version_id, database, messages)
        sys.stdout.flush()
        sys.stdin.read()


def _send(service: Service, version_id: int, database: str, messages: int) -> None:
    """Launch the cascade, wait until all first messages have been accepted, and print them."""
    clock, signer = service.clock, service.engine.world.signer
    service.engine.write(lambda tx: cascades.launch(tx, version_id, None, 0, clock.now())).result()
    place = (
        PostgresPlace(database)
        if database.startswith("postgres")
        else SqlitePlace(database.removeprefix("sqlite:"))
    )
    asked = "SELECT contact_id, run_id FROM messages WHERE step = 0 AND sent_at IS NOT NULL"
    expected = messages - messages // 20 - 1  # one in twenty is refused
    while len(rows := place.ask(asked)) < expected and service.engine.problem() is None:
        time.sleep(0.2)
    place.close()
    print(service.base_url)
    for contact_id, run_id in rows:
        print(contact_id, run_id, signer.reference(contact_id, run_id, 0, ACCOUNTS[0]))
    print()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
