"""What `opt_in(…)` in a text means: a link of the person's own into our chat of another channel."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from kaskad.domain.errors import Invalid
from kaskad.domain.template import RenderError
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.engine.opt_in import TTL_MS
from kaskad.providers import provider
from kaskad.providers.base import Account
from kaskad.store import opt_ins
from kaskad.store.db import Transaction
from kaskad.store.opt_ins import OptIn


class Invitations:
    """The links of one message, one a channel; each is made when a text asks for it.

    That happens in the transaction that hands the message over. The token follows from the message, since
    each attempt to send it must say the same: a link is made once, however often the message is written.
    """

    def __init__(
        self, tx: Transaction, accounts: Mapping[int, Sequence[Account]], key: bytes,
        message: tuple[int, int, int], due_at: int,
    ) -> None:  # fmt: skip
        self._tx, self._accounts, self._key, self._message, self._due_at = tx, accounts, key, message, due_at
        self._made: dict[str, str] = {}

    def __call__(self, channel: str) -> str:
        """Return the link into the chat of a channel; raises RenderError where no account has one."""
        link = self._made.get(channel)
        if link is None:
            link = self._made[channel] = self._make(channel)
        return link

    def _make(self, channel: str) -> str:
        signed = f"opt-in {channel} {' '.join(map(str, self._message))}".encode()
        token = urlsafe_b64encode(blake2b(signed, key=self._key, digest_size=24).digest()).decode()
        why = f"there is no account of {channel}: add one"
        for account in self._accounts.get(Channel[channel.upper()].code, ()):
            try:
                link = provider(account.provider).opt_in_link(account, token)
            except Invalid as problem:
                why = str(problem)
                continue
            kept = OptIn(self._message[0], account.id, self._due_at + TTL_MS)
            opt_ins.put(self._tx, token, kept, self._due_at)
            return link
        raise RenderError(worded('opt_in("%(channel)s"): %(why)s', channel=channel, why=why))
