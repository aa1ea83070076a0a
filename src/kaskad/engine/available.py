"""Which account a message to somebody goes by now."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kaskad.domain.shares import share_out

Members = tuple[tuple[int, int], ...]  # accounts with their weights


class Available(Struct, frozen=True):
    """The accounts to use now: by channel the first, and those that share a channel with it."""

    firsts: Mapping[int, int]  # 0: every account of the channel is out of service
    shared: Mapping[int, Members]

    def of(self, contact_id: int) -> Mapping[int, int]:
        """Return the account of each channel for this contact, who keeps it."""
        if not self.shared:
            return self.firsts
        own = {channel: share_out(contact_id, members) for channel, members in self.shared.items()}
        return {**self.firsts, **own}

    def share(self, contact_id: int) -> tuple[int, ...]:
        """Return what of these accounts is the contact's own: the same for those with whom all are shared."""
        return tuple([share_out(contact_id, members) for members in self.shared.values()])
