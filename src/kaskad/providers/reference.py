"""The pages of the providers, docs/providers/, and the table over them, written from their classes."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from inspect import getdoc, getsource
from types import NoneType

from kaskad.domain.terms import CallResult, Channel, Kind, Reason
from kaskad.providers.base import Capabilities, Provider, Setting
from kaskad.providers.evidence import Level, evidence

BEGIN = "<!-- from here on written by the code: pytest tests/docs --update-pages -->"
REACHED = (Kind.DELIVERED, Kind.OPENED, Kind.READ, Kind.ANSWERED, Kind.CLICKED, Kind.REPLIED, Kind.KEYPRESS)
LEVELS = {
    Level.LIBRARY: "a library or server of others agrees with it in the tests",
    Level.SPECIFICATION: "held against the service's published description",
    Level.PAYLOADS: "held against payloads that the service has published",
    Level.DOCUMENTATION: "as the service's pages say",
    Level.OWN: "Kaskad's own: there is no service behind it, and the tests drive the whole of it",
}


def table(providers: Mapping[str, Provider]) -> str:
    """Return the table of all providers: what each carries, tells and takes, and how well it is verified."""
    lines = [
        "| provider | channels | tells by itself | buttons | life of a message | verified | cases |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in sorted(providers):
        provider, able, found = providers[name], providers[name].capabilities, evidence(name)
        cells = (
            f"[{provider.title}](providers/{name}.md)",
            _channels(provider),
            _told(able, REACHED) or "nothing",
            str(able.buttons or ""),
            "taken" if able.ttl else "",
            found.level(provider).value,
            str(found.cases),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(provider: Provider) -> str:
    """Return the page of one provider."""
    parts = [
        [f"# {provider.title}", "", "<!-- written by the code: pytest tests/docs --update-pages -->", ""],
        [_plain(getdoc(type(provider)) or "")],
        [f"`provider: {provider.name}`. Carries {_channels(provider)}."],
        ["## How to connect", "", *_numbered(provider.connect)],
        ["## Settings", "", "| setting | | meaning |", "|---|---|---|", *map(_row, provider.settings)],
        ["## What it can", "", "| | |", "|---|---|", *_lines(_abilities(provider.capabilities))],
        *_tables(provider),
        _verified(provider),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part).rstrip() for part in parts if part) + "\n"


def _plain(text: str) -> str:
    """Return a docstring for a page: its addresses become links, save where they stand as code."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"(?<![<(])(https://[^\s)>]+[^\s)>.,:;])", r"<\1>", part) for part in parts[::2]]
    return "`".join(parts)


def _numbered(steps: Iterable[str]) -> list[str]:
    return [f"{number}. {_plain(step)}" for number, step in enumerate(steps, 1)]


def _channels(provider: Provider) -> str:
    if provider.channels == frozenset(Channel):
        return "all channels"
    return ", ".join(f"`{channel.value}`" for channel in Channel if channel in provider.channels)


def _told(able: Capabilities, among: Iterable[Kind] = Kind) -> str:
    return ", ".join(f"`{kind.name.lower()}`" for kind in among if kind in able.receipts)


def _row(setting: Setting) -> str:
    notes = [
        "required" if setting.required and not setting.default else "",
        "secret" if setting.secret else "",
        " or ".join(f"`{choice}`" for choice in setting.choices),
        f"default `{setting.default}`" if setting.default else "",
    ]
    told = ", ".join(note for note in notes if note)
    return f"| `{setting.name}` | {told} | {_cell(setting.help)} |"


def _lines(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"| {name} | {value} |" for name, value in pairs]


def _abilities(able: Capabilities) -> Iterable[tuple[str, str]]:
    yield "tells by itself", _told(able) or "nothing"
    yield "the same key twice", "sent once" if able.idempotent else "sent twice: never repeated on a guess"
    if able.reports_sent:
        yield "an accepted message", "is queued there; a report says when it is sent"
    if able.price_in_receipt:
        yield "price", "told for each message"
    if able.look_ups:
        spans = ", ".join(_span(span_ms) for span_ms in able.look_ups)
        yield "asked what became of a message", f"{spans} after it was taken, until that is known"
    if able.finds:
        spans = ", ".join(_span(span_ms) for span_ms in able.finds)
        yield "an answer that was lost", f"asked for by our own id {spans} later; never sent again on a guess"
    if able.ttl:
        yield "a message's life", "taken: what is late is not delivered"
    if able.max_text:
        yield "longest text", f"{able.max_text} characters"
    if able.ssml:
        yield "SSML", "taken"
    if able.buttons:
        yield "buttons", f"up to {able.buttons}"
    if able.media:
        yield "pictures and files", "by their address"
    limits = f"{able.concurrency} at once, {able.per_second:g} a second, bursts of {able.burst}"
    yield "limits unless the account says otherwise", limits


def _span(span_ms: int) -> str:
    seconds = span_ms // 1000
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and not seconds % size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _tables(provider: Provider) -> list[list[str]]:
    """Return the adapter's own tables of statuses and errors: the constants of its file.

    They are found rather than listed a second time: a row that is added there stands here, with its comment.
    """
    module = sys.modules[type(provider).__module__]
    remarks = _remarks(getsource(module))
    reports: list[str] = []
    errors: list[str] = []
    for name, rows in vars(module).items():
        if not (name.isupper() and isinstance(rows, dict) and rows):
            continue
        if all(str(word) == _meaning(value) for word, value in rows.items()):
            continue  # our own words, by their names
        words = {type(part) for value in rows.values() for part in _parts(value)}
        if words <= {Kind, Reason, CallResult, NoneType}:
            (reports if Kind in words else errors).extend(_table(name, rows, remarks.get(name, {})))
    parts = []
    if reports:
        parts.append(["## What it reports", *reports])
    if errors:
        parts.append(["## Errors, and what they mean here", *errors])
    return parts


def _parts(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _remarks(source: str) -> dict[str, dict[object, tuple[str, str]]]:
    """Return by table and key how the key is written, and the comment at the end of its row."""
    lines = source.splitlines()
    found: dict[str, dict[object, tuple[str, str]]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Dict):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            rows = found.setdefault(ast.unparse(target), {})
            for key in node.value.keys:
                if isinstance(key, ast.Constant | ast.Tuple):
                    comment = lines[key.lineno - 1].partition("  # ")[2]
                    rows[ast.literal_eval(key)] = (ast.get_source_segment(source, key) or "", _cell(comment))
    return found


def _table(name: str, rows: Mapping[object, object], remarks: Mapping[object, tuple[str, str]]) -> list[str]:
    lines = ["", f"| {name.lower().replace('_', ' ').strip()} | [here](../glossary.md) | |", "|---|---|---|"]
    for word, value in rows.items():
        written, remark = remarks.get(word, ("", ""))
        said = " ".join(map(str, word)) if isinstance(word, tuple) else str(word)
        said = written if written.startswith("0x") else said  # as its specification has it
        lines.append(f"| `{_cell(said)}` | {_meaning(value)} | {remark} |")
    return lines


def _meaning(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_meaning(part) for part in value if part is not None) or "nothing changes"
    if isinstance(value, Kind):
        return value.name.lower()
    return value.value if isinstance(value, Reason | CallResult) else "nothing changes"


def _cell(text: str) -> str:
    return text.replace("|", "/")


def _verified(provider: Provider) -> list[str]:
    found = evidence(provider.name)
    lines = ["## How well it is verified", ""]
    lines.append(f"`{found.level(provider).value}`: {LEVELS[found.level(provider)]}.")
    told = f"{found.cases} cases"
    if found.payloads:
        told += f", {found.payloads} of them the service's own payloads"
    if found.specification:
        told += "; requests and words held against its published description"
    lines.append(told + (f". Judges: {', '.join(provider.judges)}." if provider.judges else "."))
    if provider.unverified:
        lines += ["", "Not confirmed by a published source or a live account:", ""]
        lines += [f"- {what}" for what in provider.unverified]
    return lines
