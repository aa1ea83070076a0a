"""The accounts as the engine knows them, with what follows from what they are; `traffic` says how they do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from kaskad.domain.task import DeskPlan
from kaskad.engine.texts import Texts
from kaskad.providers import provider
from kaskad.providers.base import Account, Capabilities, Provider
from kaskad.providers.desk import Desk, plan_of


class Accounts(dict[int, Account]):
    """The accounts by id: the very mapping that the dispatcher reads, so it changes in place."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url
        self.by_name: dict[str, Account] = {}
        self.status_urls: dict[int, str] = {}  # where each account's receipts go; "" without a base URL
        self.capabilities: dict[int, Capabilities] = {}  # of deleted ones too
        self.by_channel: dict[int, list[Account]] = {}
        self.picky: dict[int, list[Account]] = {}  # by channel, those that take some addresses only
        self.windows: dict[int, int] = {}  # how long free text is taken after a person's message
        self.window_channels: frozenset[int] = frozenset()  # of these accounts
        self.desks: dict[int, DeskPlan] = {}  # whose messages become tasks of our own people
        self.retriable: frozenset[int] = frozenset()
        self.approved: dict[int, Texts] = {}  # their approved texts
        self.journals: dict[int, frozenset[str]] = {}  # of CRMs: the events that their journals hold

    def replace(self, accounts: Iterable[Account]) -> list[int]:
        """Take over other accounts; return those that stay with other settings or secrets."""
        given = {account.id: account for account in accounts}
        changed = [
            number
            for number, before in self.items()
            if (now := given.get(number, before)).settings != before.settings or now.secrets != before.secrets
        ]
        for gone in self.keys() - given.keys():
            del self[gone]
        self.update(given)
        able = {account.id: provider(account.provider).capabilities for account in self.values()}
        self.capabilities |= able
        self.by_name = {account.name: account for account in self.values()}
        url = self._base_url
        self.status_urls = {a.id: f"{url}/hooks/{a.name}" if url else "" for a in self.values()}
        self.desks = {a.id: plan_of(a) for a in self.values() if a.provider == Desk.name}
        self.retriable = frozenset(
            a.id for a in self.values() if able[a.id].idempotent and a["idempotent"] != "no"
        )
        told = {a.id: provider(a.provider).journal_types(a) for a in self.values() if a.enabled}
        self.journals = {number: kinds for number, kinds in told.items() if kinds}
        self._share_out([account for account in self.in_turn() if account.enabled])
        return changed

    def in_turn(self) -> list[Account]:
        """Return the accounts, those first that are used first."""
        return sorted(self.values(), key=lambda a: (a.priority, a.id))

    def _share_out(self, enabled: Iterable[Account]) -> None:
        channels: dict[int, list[Account]] = defaultdict(list)
        picky: dict[int, list[Account]] = defaultdict(list)
        windows: dict[int, int] = {}
        for account in enabled:
            channels[account.channel.code].append(account)
            if type(provider(account.provider)).takes is not Provider.takes:
                picky[account.channel.code].append(account)
            if window_ms := self.capabilities[account.id].window_ms:
                windows[account.id] = window_ms
        self.by_channel, self.picky, self.windows = dict(channels), dict(picky), windows
        self.window_channels = frozenset(self[number].channel.code for number in windows)

    def text_states(self, account_id: int) -> Mapping[tuple[str, str], str] | None:
        """Return the state of each approved text of the account; None where its service takes none."""
        if not self.capabilities[account_id].approved:
            return None
        return {key: text.state for key, text in self.approved.get(account_id, {}).items()}
