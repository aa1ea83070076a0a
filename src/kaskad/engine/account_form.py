"""Read what people tell of one account, whether in a file, over the API or at a prompt.

name: sms-main
provider: generic_webhook
channel: sms
settings: {url: "https://sms.example.org/send"}
secrets: {secret: "…"}
price: 14 KZT per part
limits: {per_second: 20}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import msgspec

from kaskad.domain.errors import NotFound
from kaskad.domain.money import DIGITS, ON_DELIVERY, BadMoney, parse_money
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded, wording
from kaskad.engine.catalog import to_send_by
from kaskad.providers import PROVIDERS, provider
from kaskad.providers.base import Limits, Provider, Setting
from kaskad.store.accounts import Account

KEYS = (
    "name",
    "provider",
    "channel",
    "settings",
    "secrets",
    "price",
    "limits",
    "priority",
    "weight",
    "enabled",
)
NAME_RULE = worded("give it a name of small letters, digits and -, such as sms-main: webhooks carry it")
PLACES = ("url", "base_url", "token_url", "host")  # settings that say where secrets go
MOST_WEIGHT = 1_000
FARTHEST = 1_000_000  # priorities and limits beyond it are mistakes, and no column could hold any
is_name = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}").fullmatch
_CHANNELS = {channel.value: channel for channel in Channel}


class AccountForm:
    """Reads accounts and collects, as whole sentences, what is wrong with each.

    `filled` puts values into the texts of settings, such as those of environment variables. `makes` says
    whether a provider may make secrets that are left out: not for a file, which would get others each time.
    """

    def __init__(self, filled: Callable[[str], str] = str, *, makes: bool = True) -> None:
        self._filled = filled
        self._makes = makes
        self.problems: list[str] = []
        self.pointers: list[str] = []  # of each, where it stands

    def read(self, told: Mapping[str, Any], known: Account | None = None) -> Account | None:
        """Return the account, or None where something is wrong with it.

        Secrets that are left out stay those of `known`, the account that has the name now.
        """
        before = len(self.problems)
        for key in told.keys() - set(KEYS):
            self.say(
                worded("there is no key %(key)r; the keys are %(known)s", key=key, known=", ".join(KEYS))
            )
        name = str(told.get("name", ""))
        if not is_name(name):
            self.say(NAME_RULE, "/name")
        carrying = self._provider(told)
        channel = self._channel(told, carrying)
        settings, secrets = self._settings(told, carrying, known)
        price, limits = self._price(told), self._limits(told)
        priority, weight, enabled = self._place(told)
        if len(self.problems) > before or carrying is None or channel is None:
            return None
        account = Account(
            name=name, provider=carrying.name, channel=channel, settings=settings, secrets=secrets,
            limits=limits, prices=price, priority=priority, weight=weight, enabled=enabled,
        )  # fmt: skip
        for problem in carrying.check(to_send_by(account)):
            self.say(problem)
        return account if len(self.problems) == before else None

    def say(self, problem: str, pointer: str = "") -> None:
        """Note what is wrong, and where."""
        self.problems.append(problem)
        self.pointers.append(pointer)

    def _provider(self, told: Mapping[str, Any]) -> Provider | None:
        try:
            return provider(str(told["provider"]))
        except KeyError:
            self.say(worded("name its provider: %(known)s", known=", ".join(sorted(PROVIDERS))), "/provider")
        except NotFound as error:
            self.say(wording(error), "/provider")
        return None

    def _channel(self, told: Mapping[str, Any], carrying: Provider | None) -> Channel | None:
        able = carrying.channels if carrying else frozenset(Channel)
        only = next(iter(able)) if len(able) == 1 else None
        channel = _CHANNELS.get(str(told.get("channel") or (only.value if only else "")))
        if channel is None or channel not in able:
            known = ", ".join(c.value for c in Channel if c in able)
            self.say(worded("name its channel: %(known)s", known=known), "/channel")
            return None
        return channel

    def _settings(
        self, told: Mapping[str, Any], carrying: Provider | None, known: Account | None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return the settings and the secrets; which is which the provider says."""
        given = {}
        for part in ("settings", "secrets"):
            values = told.get(part) or {}
            if isinstance(values, dict):
                given.update(values)
            else:
                self.say(worded("write %(part)s as name: value", part=part), f"/{part}")
        if carrying is None:
            return {}, {}
        declared = {setting.name: setting for setting in carrying.settings}
        values = {str(name): self._filled(str(value)) for name, value in given.items() if value is not None}
        for name in sorted(values.keys() - declared.keys()):
            self.say(
                worded("%(title)s has no setting %(name)r; its settings are %(known)s",
                       title=carrying.title, name=name, known=", ".join(declared)),
                f"/settings/{name}",
            )  # fmt: skip
        secret = {name for name, setting in declared.items() if setting.secret}
        if known is not None and known.provider == carrying.name:
            kept = {name: known.secrets[name] for name in secret & known.secrets.keys() if name not in given}
            if kept and _moves(declared, values, known):
                moved = worded(
                    "its address changes: tell its secrets again, %(names)s", names=", ".join(sorted(kept))
                )
                self.say(moved, f"/secrets/{min(kept)}")
            values.update(kept)
        made = carrying.complete(values)
        if not self._makes and (new := sorted(name for name in secret & made.keys() if not values.get(name))):
            self.say(
                worded(
                    "setting %(name)r is missing: `kaskad account add` makes one and keeps it", name=new[0]
                )
            )
        values.update(made)
        for setting in declared.values():
            if not values.get(setting.name) and setting.default:
                values[setting.name] = setting.default
            if problem := _wrong(setting, values.get(setting.name, "")):
                self.say(problem, f"/{'secrets' if setting.secret else 'settings'}/{setting.name}")
        return (
            {name: value for name, value in values.items() if name not in secret},
            {name: value for name, value in values.items() if name in secret and value},
        )

    def _price(self, told: Mapping[str, Any]) -> dict[str, Any]:
        if told.get("price") is None:
            return {}
        text, delivered, rest = str(told["price"]).partition(", on delivery")
        amount, _, part = text.partition(" per ")
        try:
            money = parse_money(amount)
        except BadMoney as error:
            self.say(worded("price: %(why)s", why=wording(error)), "/price")
            return {}
        per = {"1000": "thousand", "1 000": "thousand"}.get(part.strip(), part.strip() or "message")
        if per not in ("message", "part", "thousand") or rest.strip():
            told_per = worded(
                "price: it is per message, per part of an SMS, or per thousand messages, and `, on delivery` "
                "where failures are free: write such as 14 KZT per part, on delivery"
            )
            self.say(told_per, "/price")
        found = {"minor": money.minor, "currency": money.currency, "per": per}
        return found | {"charges": ON_DELIVERY} if delivered else found

    def _limits(self, told: Mapping[str, Any]) -> dict[str, Any]:
        given = told.get("limits") or {}
        known = Limits.__struct_fields__
        try:
            limits = msgspec.convert(given, Limits)
            unknown = sorted(str(name) for name in given.keys() - set(known))
            problem = worded("there is no %(unknown)r", unknown=unknown[0]) if unknown else ""
        except msgspec.ValidationError as error:
            problem = str(error)
        if not problem:
            values = msgspec.structs.asdict(limits)
            if all(0 <= value <= FARTHEST for value in values.values()):
                return values
            problem = worded("each is from 0 (the provider's default) to %(most)s", most=f"{FARTHEST:,}")
        self.say(
            worded("limits: %(problem)s; they are %(known)s", problem=problem, known=", ".join(known)),
            "/limits",
        )
        return {}

    def _place(self, told: Mapping[str, Any]) -> tuple[int, int, bool]:
        """Return the priority, the weight, and whether the account is in use."""
        weight = told.get("weight", 1)
        if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= MOST_WEIGHT:
            self.say(
                worded("weight is a whole number from 1 to %(most)s: the share among equal priorities",
                       most=f"{MOST_WEIGHT:,}"),
                "/weight",
            )  # fmt: skip
            weight = 1
        priority, enabled = told.get("priority", 0), told.get("enabled", True)
        whole = isinstance(priority, int) and abs(priority) <= FARTHEST
        if not whole or not isinstance(enabled, bool):
            told_place = worded("priority is a whole number (lower is asked first), enabled is true or false")
            self.say(told_place, "/priority")
            return 0, 1, True
        return priority, weight, enabled


def _moves(declared: Mapping[str, Setting], values: Mapping[str, str], known: Account) -> bool:
    """Say whether the account would tell its secrets to another server than the one they were given for."""
    places = [declared[name] for name in PLACES if name in declared]
    return any(
        (values.get(one.name) or one.default) != known.settings.get(one.name, one.default) for one in places
    )


def _wrong(setting: Setting, value: str) -> str:
    """Return what is wrong with the value of a setting, "" where nothing is."""
    name = setting.name
    if not value:
        if not setting.required:
            return ""
        if setting.help:
            return worded("setting %(name)r is missing: %(help)s", name=name, help=setting.help)
        return worded("setting %(name)r is missing", name=name)
    if setting.choices and value not in setting.choices:
        told = " or ".join(setting.choices)
        return worded("setting %(name)r is %(choices)s, not %(value)r", name=name, choices=told, value=value)
    if problem := _wrong_place(name, value):
        return worded("setting %(name)r: %(problem)s", name=name, problem=problem)
    return ""


def _wrong_place(name: str, value: str) -> str:
    """Return what is wrong with an address or a port, "" where nothing is."""
    if name == "port":
        right = value.isascii() and value.isdigit() and len(value) <= 5 and 0 < int(value) < 65_536
        return "" if right else worded("a port is a number from 1 to 65535, not %(value)r", value=value[:40])
    if name not in ("url", "base_url", "token_url"):
        return ""
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if right:
        return ""
    return worded("write an address such as https://api.example.org, not %(value)r", value=value[:200])


def price_text(prices: Mapping[str, Any]) -> str | None:
    """Return a kept price as people write it, such as 14.50 KZT per part; None: none is known."""
    if not prices:
        return None
    currency = str(prices["currency"])
    amount = Decimal(int(prices["minor"])).scaleb(-DIGITS.get(currency, 2))
    free = ", on delivery" if prices.get("charges") == ON_DELIVERY else ""
    return f"{amount} {currency} per {prices.get('per', 'message')}{free}"
