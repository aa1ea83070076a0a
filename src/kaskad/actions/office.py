"""What every action works with: the database, the engine that writes to it, keys and clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import AbstractContextManager
from typing import TypeVar

from msgspec import Struct, field

from kaskad.actions.moves import Migrations
from kaskad.actions.playground import Playground
from kaskad.actions.questions import Questions
from kaskad.actions.rendering import Renderers
from kaskad.domain.errors import Uncertain
from kaskad.domain.inside import NOTHING, Inside
from kaskad.domain.tokens import Signer
from kaskad.domain.worded import worded
from kaskad.engine.arrival import Arrival
from kaskad.engine.engine import Engine
from kaskad.engine.receive import Act, Delivery
from kaskad.store.db import Database, Transaction
from kaskad.store.vault import Vault

T = TypeVar("T")

WAIT_S = 30.0  # for a turn between two ticks, and the commit


class Office(Struct, frozen=True):
    """One installation as its actions see it; any thread may use it.

    `engine` moves runs in a server, and only takes what arrives in a command that found no server running.
    """

    db: Database
    vault: Vault
    engine: Engine
    signer: Signer
    base_url: str
    inside: Inside = NOTHING  # where outgoing webhooks may lead besides public addresses
    antivirus: str = ""  # the command that looks at files; "": none
    local_key: str = ""  # opens everything, for commands on this machine; "" opens nothing
    playground: Playground | None = None  # runs the sandbox; None where nothing does
    questions: Questions = field(default_factory=Questions)
    migrations: Migrations = field(default_factory=Migrations)
    renderers: Renderers = field(default_factory=Renderers)  # make texts that nobody has checked

    def now(self) -> int:
        """Return the installation's time in milliseconds since 1970 UTC."""
        return self.engine.world.clock.now()

    def read(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that sees one state of the database."""
        return self.db.read()

    def write(self, change: Callable[[Transaction], T]) -> T:
        """Run `change` in a transaction between two ticks, and return its result after the commit.

        It should take no longer than about 20 ms: timers and reactions wait meanwhile. Raises Unavailable,
        Uncertain.
        """
        try:
            return self.engine.write(change).result(WAIT_S)
        except TooLate:
            raise Uncertain(
                worded("The engine has not come round in time; look whether it was done.")
            ) from None

    def tell(self, arrivals: Sequence[Arrival], acts: Sequence[Act] = ()) -> None:
        """Let the engine take what has happened; return when it is kept, and applied where runs are moved.

        What else an act changes is in the same transaction. Raises Unavailable, Uncertain.
        """
        try:
            self.engine.deliver(Delivery(Future(), arrivals=arrivals, acts=acts)).result(WAIT_S)
        except TooLate:
            raise Uncertain(
                worded("The engine has not come round in time; look whether it was done.")
            ) from None

    def reload(self) -> None:
        """Let the engine read cascades and accounts again, after they were changed."""
        self.engine.reload()
