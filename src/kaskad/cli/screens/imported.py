"""How an import stands, and its report, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from kaskad.cli.screens.output import many

NOTES_SHOWN = 20  # of a kind
# In which order notes are shown, and what is said of how many rows.
KINDS = {
    "rejected": "left out",
    "asked": "an address that looks mistyped: --typos keep or fix takes them",
    "unread": "a value left out",
    "duplicate": "of somebody in an earlier row",
    "suppressed": "an address on the stop-list",
    "flagged": "deserve a look",
    "fixed": "another spelling",
}
_AS_TYPED = {"external_id": "id", "sms": "phone"}  # what --map calls them


def progress(told: Mapping[str, Any]) -> str:
    """Return how far an import has come, how fast it is, and how long it will still take."""
    words = f"{told['rows']:,} of {told['size']:,} rows".replace(",", " ")
    if told["rows_per_s"] is not None:
        pace = f"{told['rows_per_s']:,}".replace(",", " ")
        words += f", {pace} a second, {timedelta(seconds=told['seconds_left'])} left"
    return words


def report(told: Mapping[str, Any], to_list: str = "") -> Iterator[str]:
    """Yield the lines of a report: what was odd, how the file was read, and what came of it."""
    for kind in KINDS:
        notes = [note for note in told["notes"] if note["kind"] == kind]
        for note in notes[:NOTES_SHOWN]:
            left_out = "left out: " if note["rejected"] else ""
            yield f"row {note['row']}: {left_out}{note['text']}"
        if (count := told["counts"][kind]) > len(notes[:NOTES_SHOWN]) > 0:
            yield f"… {count} rows of this kind ({KINDS[kind]}): --json shows more of them."
    yield f"Read as {told['shape']}."
    taken = ", ".join(
        f"{name} is {_AS_TYPED.get(meaning, meaning)}{' (by its cells)' if name in told['guessed'] else ''}"
        for name, meaning in told["columns"].items()
        if meaning
    )
    yield f"Columns: {taken}."
    if skipped := [name for name, meaning in told["columns"].items() if not meaning]:
        yield f"Not read: {', '.join(skipped)}."
    counts = {"clean": "as they stood", **KINDS}
    said = [f"{told['counts'][kind]:,} {words}" for kind, words in counts.items() if told["counts"][kind]]
    yield f"Rows: {'; '.join(said) or 'none below the header'}."
    would = "would be " if told["dry_run"] else ""
    listed = f", on the list {to_list}" if to_list and not told["dry_run"] else ""
    yield (
        f"{told['source']}: {many(told['rows'], 'row')}, {told['new']:,} {would}new, "
        f"{told['changed']:,} {would}changed, {told['rejected']:,} left out{listed}."
    )
