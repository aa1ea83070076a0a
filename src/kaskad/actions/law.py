"""What the law answers: for a message to a country, and for a cascade and its audience before it runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from msgspec import Struct

from kaskad.actions.office import Office
from kaskad.actions.policy import show
from kaskad.domain import law
from kaskad.domain.cascade import Cascade
from kaskad.domain.law import Answer, Verdict
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded
from kaskad.store.db import Transaction

COUNTRIES = ("RU", "KZ", "GB", "US", "DE", "FR")  # Germany stands for the EU


class Asked(Struct, frozen=True):
    """One question and its answer."""

    country: str
    channel: Channel
    message_class: MessageClass
    answer: Answer


def answers(
    office: Office, countries: Iterable[str], channels: Iterable[Channel], classes: Iterable[MessageClass],
    day: date | None = None,
) -> list[Asked]:  # fmt: skip
    """Return the law's answer for every country, channel and class asked about; `day` None: today."""
    policy, when = show(office), day or today(office.now())
    return [
        Asked(country, channel, kind, law.ask(policy, country, channel, kind, when))
        for country in countries
        for channel in channels
        for kind in classes
    ]


def today(now: int) -> date:
    """Return the date of an instant, UTC."""
    return datetime.fromtimestamp(now / 1000, UTC).date()


def forbidden(policy: Policy, cascade: Cascade, now: int) -> list[str]:
    """Return why a cascade may not be activated: steps that the law of the sender's own country denies."""
    found: list[str] = []
    for step in cascade.steps:
        denied = [_denied(policy, policy.country, channel, cascade, now) for channel in step.channels]
        if policy.country and all(denied):
            what = "; ".join(dict.fromkeys(article for article in denied if article))
            found.append(
                worded(
                    "Step %(number)s (%(step)s) of %(cascade)r: %(message_class)s by %(known)s is "
                    "denied in %(country)s by %(what)s. Choose another channel, or set the rule "
                    "aside in the policy if your lawyers disagree.",
                    number=step.number + 1,
                    step=step.id,
                    cascade=cascade.id,
                    message_class=cascade.message_class,
                    known=" or ".join(step.channels),
                    country=policy.country,
                    what=what,
                )
            )
    return found


def elsewhere(tx: Transaction, policy: Policy, cascade: Cascade, now: int) -> list[str]:
    """Return which steps contacts of other countries will be spared, with how many there are."""
    found: list[str] = []
    for country, count in tx.all("count_countries"):
        if country in (policy.country, ""):
            continue
        for step in cascade.steps:
            denied = [_denied(policy, country, channel, cascade, now) for channel in step.channels]
            if all(denied):
                found.append(
                    worded(
                        "Step %(number)s (%(step)s) is left out for the %(count)s contacts of "
                        "%(country)s: %(denied)s.",
                        number=step.number + 1,
                        step=step.id,
                        count=count,
                        country=country,
                        denied=denied[0],
                    )
                )
    return found


def _denied(policy: Policy, country: str, channel: Channel, cascade: Cascade, now: int) -> str:
    """Return the article by which a message of the cascade is denied; "" where none does."""
    answer = law.ask(policy, country, channel, cascade.message_class, today(now))
    return next((f"{one.article} ({one.id})" for one in answer.rules if one.verdict is Verdict.DENY), "")
