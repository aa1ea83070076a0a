"""Who keeps a mailbox, by its domain, and whether they tell who called a mail spam."""

from __future__ import annotations

_DOMAINS = {
    "gmail": ("gmail.com", "googlemail.com"),
    "mail.ru": ("mail.ru", "bk.ru", "list.ru", "inbox.ru", "internet.ru", "xmail.ru"),
    "yandex": ("yandex.ru", "ya.ru", "yandex.com", "yandex.kz", "yandex.by", "yandex.ua", "narod.ru"),
    "outlook": ("outlook.com", "hotmail.com", "live.com", "msn.com"),
    "yahoo": ("yahoo.com", "ymail.com", "rocketmail.com", "aol.com"),
    "icloud": ("icloud.com", "me.com", "mac.com"),
    "rambler": ("rambler.ru", "lenta.ru", "autorambler.ru", "myrambler.ru", "ro.ru"),
}
_OF = {domain: service for service, domains in _DOMAINS.items() for domain in domains}
OTHERS = "others"  # domains of companies and smaller services; who keeps their mail is not looked up
SERVICES = (*_DOMAINS, OTHERS)
# They pass no complaint on: Gmail has a figure of its own (https://postmaster.google.com), Apple has none.
SILENT = frozenset({"gmail", "icloud"})
WARY, TOO_MANY = (
    0.001,
    0.003,
)  # https://support.google.com/a/answer/81126: stay below the first, never the other


def service_of(domain: str) -> str:
    """Return who keeps the mailboxes of a domain."""
    return _OF.get(domain, OTHERS)
