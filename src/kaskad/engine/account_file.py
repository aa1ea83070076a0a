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

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from kaskad.domain.errors import Invalid
from kaskad.domain.worded import worded, wording
from kaskad.engine.account_form import AccountForm, is_name
from kaskad.store.accounts import Account

_variable = re.compile(r"\$\{(\w+)\}")


def read_accounts(text: str, source: str, environment: Mapping[str, str]) -> list[Account]:
    """Return the accounts of a YAML text; raises Invalid with every problem at once."""
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        where = f"{source}:{error.problem_mark.line + 1}" if error.problem_mark else source
        raise Invalid([worded("%(where)s: %(problem)s", where=where, problem=error.problem)]) from None
    except YAMLError as error:
        raise Invalid([worded("%(source)s: %(error)s", source=source, error=wording(error))]) from None
    listed = document.get("accounts") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not listed:
        raise Invalid(
            [worded("%(source)s: begin with `accounts:` and list the accounts under it", source=source)]
        )
    reader = _Reader(source, environment)
    accounts = [reader.account(number, item) for number, item in enumerate(listed, 1)]
    names = [account.name for account in accounts if account]
    for name in sorted({name for name in names if names.count(name) > 1}):
        reader.problems.append(
            worded("%(source)s: two accounts are named %(name)r", source=source, name=name)
        )
    if reader.problems:
        raise Invalid(reader.problems)
    return [account for account in accounts if account]


class _Reader:
    """Reads the accounts of one file and collects what is wrong with them."""

    def __init__(self, source: str, environment: Mapping[str, str]) -> None:
        self._source = source
        self._environment = environment
        self._form = AccountForm(self._filled, makes=False)
        self.problems: list[str] = []

    def account(self, number: int, item: object) -> Account | None:
        """Return the account, or None where something is wrong with it."""
        where = f"{self._source}, account {number}"
        account = None
        if isinstance(item, dict):
            told: dict[str, Any] = {str(key): value for key, value in item.items()}
            where += f" ({told['name']})" if is_name(str(told.get("name", ""))) else ""
            account = self._form.read(told)
        else:
            self._form.say(worded("write it as name, provider, channel, settings"))
        self.problems += [
            worded("%(where)s: %(problem)s", where=where, problem=problem) for problem in self._form.problems
        ]
        self._form.problems.clear()
        return account

    def _filled(self, value: str) -> str:
        def variable(match: re.Match[str]) -> str:
            if match[1] not in self._environment:
                self._form.say(worded("the variable %(match)s is not set in the environment", match=match[1]))
            return self._environment.get(match[1], "")

        return _variable.sub(variable, value)
