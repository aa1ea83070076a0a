"""What was paid for and need not have been: each kind in one sentence, counted by step.

A message may be of several kinds at once, so they are not added up.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

import msgspec
from msgspec import Struct, field

from kaskad.analytics.changed import CORRECTED
from kaskad.analytics.reach import Amounts
from kaskad.analytics.spent import Span, Sum
from kaskad.domain.cascade import Cascade
from kaskad.domain.channels import success_mask
from kaskad.domain.plainer import spared
from kaskad.domain.spent import FAILED, UNHEARD, WHOLE, early_of
from kaskad.domain.terms import Channel
from kaskad.domain.worded import worded
from kaskad.store import doubles
from kaskad.store.courses import waiting
from kaskad.store.db import Transaction

TEXTS = 2_000  # that are measured, at most: some 100 ms
MANY = 5 * TEXTS  # of so many the latest are found sooner message by message, of fewer by a join of all

KINDS = {  # what is counted, and what can be done about it
    "late": (
        worded("The person had already answered an earlier message, but we did not know yet."),
        worded("Lengthen that step's wait, or have its service tell by webhook instead of being asked."),
    ),
    "double": (
        worded("Another cascade had written to the same person less than the gap between cascades before."),
        worded("Raise the priority of one of them, or widen the gap in the policy."),
    ),
    "dead": (
        worded("The address was already known to be invalid when the message left."),
        worded("Look why it was still used: corrected by hand, or told while the message was under way."),
    ),
    "failed": (
        worded("It failed, and was charged all the same."),
        worded("Check addresses first, ask for a price on delivery, or hold the provider's bill against it."),
    ),
    "unheard": (
        worded("No receipt has come in its time: nobody knows whether it arrived."),
        worded("Ask the provider for receipts, or use a route that has them."),
    ),
    "signs": (
        worded("Quotes, dashes or other signs made it take more SMS parts than plain ones would."),
        worded("Write plain quotes and dashes in the step's text."),
    ),
    "alphabet": (
        worded("In Latin letters it would have taken fewer SMS parts."),
        worded("Shorten the text to one part, or write it in Latin letters where readers take that well."),
    ),
}


class Wasted(Struct):
    """One kind at one step. `of`: of how many texts that were measured, for kinds about parts; else None."""

    kind: str
    step: str
    count: int = 0
    amounts: Amounts = field(default_factory=dict)
    of: int | None = None


class Counter:
    """Counts what was wasted, by kind and step; `sms` are the accounts of SMS."""

    def __init__(
        self, tx: Transaction, span: Span, cascade_of: Callable[[int], Cascade],
        currencies: Mapping[int, str], sms: Container[int],
    ) -> None:  # fmt: skip
        self._tx, self._cascade_of, self._currencies, self._sms = tx, cascade_of, currencies, sms
        self._of, self._span = span, msgspec.structs.asdict(span)
        self._found: dict[tuple[str, str], Wasted] = {}

    def count(self, sums: Sequence[Sum], gap_ms: int) -> list[Wasted]:
        """Return all that was wasted, the kinds in their order, each by the cascade's steps.

        `sums` are those of the same span; `gap_ms` is what should lie between two cascades; 0: they need not
        keep any.
        """
        for one in sums:
            if kind := self._kind(one):
                self._add(kind, one.version_id, one.step, one.account_id, one.cost, one.messages)
        if gap_ms:
            self._rows("double", double(self._tx, self._of, gap_ms))
        self._rows("dead", self._tx.all("waste_dead", **self._span))
        if any(self._may_be_sms(one) for one in sums):  # else all runs would be looked at for none
            self._texts(
                sum(one.messages for one in sums if one.kind == WHOLE and one.account_id in self._sms)
            )
        return sorted(self._found.values(), key=lambda one: list(KINDS).index(one.kind))

    def _rows(self, kind: str, rows: Sequence[tuple[int, ...]]) -> None:
        for version, step, account, count, minor in rows:
            self._add(kind, version, step, account, minor, count)

    def _kind(self, one: Sum) -> str:
        """Return as what these messages were wasted; "": not by what their kind says."""
        if one.kind in (FAILED, UNHEARD):
            return one.kind
        for other, channel, mask in early_of(one.kind):
            step = self._cascade_of(one.version_id).steps[other]
            if success_mask(step.success, Channel.of(channel)) & mask:
                return "late"
        return ""

    def _may_be_sms(self, one: Sum) -> bool:
        return Channel.SMS in self._cascade_of(one.version_id).steps[one.step].channels

    def _texts(self, of: int) -> None:
        """Measure texts of so many SMS."""
        name = "waste_texts_of_many" if of >= MANY else "waste_texts"
        rows = self._tx.all(name, limit=TEXTS, **self._span)
        known: dict[str, tuple[int, int, int]] = {}  # many people are told the same
        for version, step, account, minor, body in rows:
            text = str(msgspec.json.decode(body).get("text", ""))
            if text not in known:
                known[text] = spared(text)
            parts, signs, alphabet = known[text]
            for kind, fewer in (("signs", signs), ("alphabet", alphabet)):
                if fewer:
                    self._add(kind, version, step, account, minor * fewer // parts).of = len(rows)

    def _add(
        self, kind: str, version: int, step: int, account: int, minor: int, count: int = 1
    ) -> Wasted:  # fmt: skip
        name = self._cascade_of(version).steps[step].id
        one = self._found.setdefault((kind, name), Wasted(kind, name))
        one.count += count
        if minor and (currency := self._currencies.get(account, "")):
            one.amounts[currency] = one.amounts.get(currency, 0) + minor
        return one


def double(tx: Transaction, span: Span, gap_ms: int) -> list[tuple[int, ...]]:
    """Return messages of a cascade that followed one of another by less than `gap_ms`.

    In rows of version, step, account (0: none), how many and what they cost; as they are counted, and those
    of people of whom something is due as they are.
    """
    told = msgspec.structs.asdict(span)
    if gap_ms > doubles.KEPT_MS:
        return tx.all("waste_double_anew", gap=gap_ms, **told)
    found: dict[tuple[int, ...], list[int]] = {
        row[:3]: [row[3], int(row[4])] for row in tx.all("waste_double", gap=gap_ms, **told)
    }
    changed = waiting(tx, CORRECTED)
    if changed and len(changed) <= CORRECTED:
        people = {contact_id for contact_id, _ in changed}
        own = {row[0] for row in tx.all("version_cascades") if row[1] == span.cascade_id}
        for sign, rows in ((-1, doubles.kept(tx, people)), (1, doubles.now(tx, people))):
            for one in rows:
                within = span.since <= one.submitted_at < span.until
                if within and one.after_ms < gap_ms and one.version_id in own:
                    total = found.setdefault((one.version_id, one.step, one.account_id), [0, 0])
                    total[0] += sign
                    total[1] += sign * one.cost
    return [(*place, *total) for place, total in sorted(found.items()) if total[0]]
