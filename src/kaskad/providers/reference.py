"""The reference of the providers for docs/providers.md, written from their classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import getdoc

from kaskad.domain.terms import Channel, Kind
from kaskad.providers.base import Capabilities, Provider, Setting

BEGIN = "<!-- from here on written by the code: tests/docs/test_providers_page.py --update-pages -->"


def page(providers: Mapping[str, Provider]) -> str:
    """Return the text of the reference, one section a provider, in the order of their names."""
    return "\n".join(_section(providers[name]) for name in sorted(providers))


def _section(provider: Provider) -> str:
    lines = [f"## `{provider.name}`: {provider.title}", "", _first_line(provider), ""]
    lines += [f"Channels: {_channels(provider)}.", ""]
    lines += ["| setting | | meaning |", "|---|---|---|"]
    lines += [_row(setting) for setting in provider.settings]
    lines += ["", "| can | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in _abilities(provider.capabilities)]
    if provider.unverified:
        lines += ["", "Not confirmed by a published source or a live account:", ""]
        lines += [f"- {what}" for what in provider.unverified]
    return "\n".join(lines) + "\n"


def _first_line(provider: Provider) -> str:
    return (getdoc(type(provider)) or "").partition("\n")[0]


def _channels(provider: Provider) -> str:
    if provider.channels == frozenset(Channel):
        return "all"
    return ", ".join(f"`{channel.value}`" for channel in Channel if channel in provider.channels)


def _row(setting: Setting) -> str:
    notes = [
        "required" if setting.required and not setting.default else "",
        "secret" if setting.secret else "",
        " or ".join(f"`{choice}`" for choice in setting.choices),
        f"default `{setting.default}`" if setting.default else "",
    ]
    told = ", ".join(note for note in notes if note)
    return f"| `{setting.name}` | {told} | {setting.help.replace('|', '/')} |"


def _abilities(able: Capabilities) -> Iterable[tuple[str, str]]:
    reported = [kind.name.lower() for kind in Kind if kind in able.receipts]
    yield "tells by itself", ", ".join(f"`{name}`" for name in reported) or "nothing"
    yield "the same key twice", "sent once" if able.idempotent else "sent twice: never repeated on a guess"
    if able.price_in_receipt:
        yield "price", "told for each message"
    if able.ttl:
        yield "a message's life", "taken: what is late is not delivered"
    if able.max_text:
        yield "longest text", f"{able.max_text} characters"
    if able.buttons:
        yield "buttons", f"up to {able.buttons}"
    if able.media:
        yield "pictures and files", "by their address"
    limits = f"{able.concurrency} at once, {able.per_second:g} a second, bursts of {able.burst}"
    yield "limits unless the account says otherwise", limits
