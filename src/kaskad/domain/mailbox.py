"""Mail addresses that are written well and yet are no good: mistyped or dead domains, mailboxes of a role."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

# Names of large mail services that are long enough for one wrong letter to be seen, with their endings.
_SERVICES = {
    "gmail": ("com",), "yandex": ("ru", "kz", "com", "by"), "rambler": ("ru",), "hotmail": ("com",),
    "outlook": ("com",), "icloud": ("com",), "yahoo": ("com",), "googlemail": ("com",),
}  # fmt: skip
_DOMAINS = frozenset(f"{name}.{ending}" for name, endings in _SERVICES.items() for ending in endings)
_OTHERS = frozenset({"mail.ru", "bk.ru", "list.ru", "inbox.ru", "ya.ru", "internet.ru", "mail.kz"})
_ENDINGS = {  # endings that no domain has, or none of these services
    "ry": "ru", "rru": "ru", "ruu": "ru", "tu": "ru", "con": "com", "cmo": "com", "ocm": "com",
    "comm": "com", "coom": "com", "vom": "com", "xom": "com",
    "cim": "com", "cpm": "com", "om": "com", "cm": "com",
}  # fmt: skip
_NAMES = {  # too short to be judged by distance: mali, mall and the like are words
    "mial": "mail", "meil": "mail", "maill": "mail", "maii": "mail", "amil": "mail", 
    "maul": "mail", "maol": "mail",
    "mqil": "mail", "mwil": "mail", "imbox": "inbox", "inbx": "inbox", "inboks": "inbox",
}  # fmt: skip
# One letter from a large service, and a service of their own.
_REAL = frozenset({"email.com", "ymail.com", "fmail.com", "gmail.ru", "gmx.com", "rambler.com", "outlook.ru"})

# Mailboxes that RFC 2142 names, and what companies add to them: whoever reads them today may not have agreed.
ROLES = frozenset({
    "abuse", "admin", "administrator", "billing", "buh", "contact", "feedback", "hello", "help",
    "helpdesk", "hostmaster", "hr", "info", "jobs", "mail", "mailer-daemon", "marketing", "media", "news",
    "no-reply", "noc", "noreply", "office", "order", "orders", "postmaster", "press", "privacy",
    "reception", "root", "sales", "security", "service", "spam", "support", "sysadmin", "unsubscribe",
    "usenet", "uucp", "webmaster", "zakaz",
})  # fmt: skip


# RFC 2606, 6761, 6762
_FOR_TESTS = frozenset({"test", "example", "invalid", "localhost", "local", "internal"})
_FOR_EXAMPLES = frozenset({"example.com", "example.net", "example.org"})


class MailState(IntEnum):
    """What DNS says of a domain: it takes mail, or why it takes none."""

    TAKES = 0
    NO_DOMAIN = 1
    REFUSES = 2  # a "null MX": https://www.rfc-editor.org/rfc/rfc7505
    NO_SERVER = 3

    @property
    def words(self) -> str:
        """Return it as people read it."""
        return _STATES[self]


_STATES = {
    MailState.TAKES: "takes mail",
    MailState.NO_DOMAIN: "there is no such domain",
    MailState.REFUSES: "its domain takes no mail (null MX)",
    MailState.NO_SERVER: "its domain has no mail server",
}


def is_reserved(domain: str) -> bool:
    """Return whether a domain is for tests and examples only, and so never looked up."""
    parts = domain.rsplit(".", 2)
    return parts[-1] in _FOR_TESTS or ".".join(parts[-2:]) in _FOR_EXAMPLES


def is_role(address: str) -> bool:
    """Return whether the mailbox belongs to a role (`info@`), not to a person."""
    return address.partition("@")[0].partition("+")[0] in ROLES


def meant(address: str) -> str | None:
    """Return the address that was probably meant; None where the domain looks as it should."""
    local, _, domain = address.rpartition("@")
    better = _better(domain)
    return f"{local}@{better}" if better else None


@lru_cache(maxsize=10_000)
def _better(domain: str) -> str | None:
    if domain in _DOMAINS or domain in _OTHERS or domain in _REAL:
        return None
    name, dot, ending = domain.partition(".")
    if not dot or "." in ending:
        return None
    for better in (f"{name}.{_ENDINGS.get(ending, ending)}", f"{_NAMES.get(name, name)}.{ending}",
                   f"{_NAMES.get(name, name)}.{_ENDINGS.get(ending, ending)}"):  # fmt: skip
        if better in _DOMAINS or better in _OTHERS:
            return better
    right = _ENDINGS.get(ending, ending)
    near = [known for known, endings in _SERVICES.items() if right in endings and one_slip(name, known)]
    return f"{near[0]}.{right}" if len(near) == 1 else None


def one_slip(one: str, other: str) -> bool:
    """Return whether two words differ by one letter: more, less, another, or two that changed places."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or one == other:
        return False
    at = next((n for n, letter in enumerate(one) if letter != other[n]), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    return one[at + 1 :] == other[at + 1 :] or (
        one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    )
