"""Read accounts from a YAML file, for installations that keep them beside their cascades.

    accounts:
      - name: sms
        provider: generic_webhook
        channel: sms
        settings: {url: "https://sms.example.org/send", secret: "${SMS_SECRET}"}
        price: 14 KZT per part
        limits: {per_second: 20}

`${NAME}` is the variable of the environment, so that secrets need not stand in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.money import BadMoney, parse_money
from kaskad.domain.terms import Channel
from kaskad.providers import PROVIDERS, provider
from kaskad.providers.base import Limits, Provider
from kaskad.store.accounts import Account

KEYS = ("name", "provider", "channel", "settings", "price", "limits", "priority", "enabled")
_name = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}").fullmatch
_variable = re.compile(r"\$\{(\w+)\}")
_CHANNELS = {channel.value: channel for channel in Channel}


def read_accounts(text: str, source: str, environment: Mapping[str, str]) -> list[Account]:
    """Return the accounts of a YAML text; raises Invalid with every problem at once."""
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        where = f"{source}:{error.problem_mark.line + 1}" if error.problem_mark else source
        raise Invalid([f"{where}: {error.problem}"]) from None
    except YAMLError as error:
        raise Invalid([f"{source}: {error}"]) from None
    listed = document.get("accounts") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        raise Invalid([f"{source}: begin with `accounts:` and list the accounts under it"])
    reader = _Reader(source, environment)
    accounts = [reader.account(number, item) for number, item in enumerate(listed, 1)]
    names = [account.name for account in accounts if account]
    for name in sorted({name for name in names if names.count(name) > 1}):
        reader.problems.append(f"{source}: two accounts are named {name!r}")
    if reader.problems:
        raise Invalid(reader.problems)
    return [account for account in accounts if account]


class _Reader:
    """Reads the accounts of one file and collects what is wrong with them."""

    def __init__(self, source: str, environment: Mapping[str, str]) -> None:
        self._source = source
        self._environment = environment
        self._where = source
        self.problems: list[str] = []

    def account(self, number: int, item: object) -> Account | None:
        """Return the account, or None where something is wrong with it."""
        self._where = f"{self._source}, account {number}"
        before = len(self.problems)
        if not isinstance(item, dict):
            self._say("write it as name, provider, channel, settings")
            return None
        told: dict[str, Any] = {str(key): value for key, value in item.items()}
        for key in told.keys() - set(KEYS):
            self._say(f"there is no key {key!r}; the keys are {', '.join(KEYS)}")
        name = str(told.get("name", ""))
        if not _name(name):
            self._say("give it a name of small letters, digits and -, such as sms-main: webhooks carry it")
        else:
            self._where += f" ({name})"
        carrying = self._provider(told)
        channel = self._channel(told, carrying)
        settings, secrets = self._settings(told, carrying)
        price, limits = self._price(told), self._limits(told)
        priority, enabled = told.get("priority", 0), told.get("enabled", True)
        if not isinstance(priority, int) or not isinstance(enabled, bool):
            self._say("priority is a whole number (lower is asked first), enabled is true or false")
        if len(self.problems) > before or carrying is None or channel is None:
            return None
        return Account(
            name=name, provider=carrying.name, channel=channel, settings=settings, secrets=secrets,
            limits=limits, prices=price, priority=priority, enabled=enabled,
        )  # fmt: skip

    def _say(self, problem: str) -> None:
        self.problems.append(f"{self._where}: {problem}")

    def _provider(self, told: Mapping[str, Any]) -> Provider | None:
        try:
            return provider(str(told["provider"]))
        except KeyError:
            self._say(f"name its provider: {', '.join(sorted(PROVIDERS))}")
        except NotFound as error:
            self._say(str(error))
        return None

    def _channel(self, told: Mapping[str, Any], carrying: Provider | None) -> Channel | None:
        able = carrying.channels if carrying else frozenset(Channel)
        only = next(iter(able)) if len(able) == 1 else None
        channel = _CHANNELS.get(str(told.get("channel", only.value if only else "")))
        if channel is None or channel not in able:
            self._say(f"name its channel: {', '.join(c.value for c in Channel if c in able)}")
            return None
        return channel

    def _settings(
        self, told: Mapping[str, Any], carrying: Provider | None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return the settings and the secrets."""
        given = told.get("settings") or {}
        if carrying is None or not isinstance(given, dict):
            if not isinstance(given, dict):
                self._say("write settings as name: value")
            return {}, {}
        known = {setting.name: setting for setting in carrying.settings}
        values = {str(name): self._filled(str(value)) for name, value in given.items() if value is not None}
        for name in values.keys() - known.keys():
            self._say(f"{carrying.title} has no setting {name!r}; its settings are {', '.join(known)}")
        for name, setting in known.items():
            if not values.get(name):
                if setting.default:
                    values[name] = setting.default
                elif setting.required:
                    self._say(f"setting {name!r} is missing" + (f": {setting.help}" if setting.help else ""))
        secret = {name for name, setting in known.items() if setting.secret}
        return (
            {name: value for name, value in values.items() if name not in secret},
            {name: value for name, value in values.items() if name in secret},
        )

    def _filled(self, value: str) -> str:
        def variable(match: re.Match[str]) -> str:
            if match[1] not in self._environment:
                self._say(f"the variable {match[1]} is not set in the environment")
            return self._environment.get(match[1], "")

        return _variable.sub(variable, value)

    def _price(self, told: Mapping[str, Any]) -> dict[str, Any]:
        if told.get("price") is None:
            return {}
        amount, _, part = str(told["price"]).partition(" per ")
        try:
            money = parse_money(amount)
        except BadMoney as error:
            self._say(f"price: {error}")
            return {}
        if part.strip() not in ("", "message", "part"):
            self._say("price: it is per message, or per part of an SMS: write such as 14 KZT per part")
        return {"minor": money.minor, "currency": money.currency, "per": part.strip() or "message"}

    def _limits(self, told: Mapping[str, Any]) -> dict[str, Any]:
        given = told.get("limits") or {}
        known = Limits.__struct_fields__
        try:
            limits = msgspec.convert(given, Limits)
            unknown = sorted(str(name) for name in given.keys() - set(known))
            problem = f"there is no {unknown[0]!r}" if unknown else ""
        except msgspec.ValidationError as error:
            problem = str(error)
        if problem:
            self._say(f"limits: {problem}; they are {', '.join(known)}")
            return {}
        return msgspec.structs.asdict(limits)
