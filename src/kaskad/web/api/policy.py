"""The policy, and what the law answers."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Query
from pydantic import Field

from kaskad.actions import law, policy
from kaskad.actions.law import COUNTRIES, Asked
from kaskad.domain.law import LAWS, Law, Verdict
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, MessageClass
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.views import Page, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["policy and law"], route_class=IdempotentRoute)

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Values = Annotated[dict[str, Any], Body(description="Keys of the policy, as GET shows them.")]


class LawView(View):
    """One rule of the law, as a text has it since a day."""

    id: str
    verdict: Verdict
    article: str
    since: date
    until: date | None
    checked: Annotated[date, Field(description="When it was last looked at.")]
    settled: Annotated[bool, Field(description="False: opinions differ, the decision is the sender's.")]
    countries: list[str]
    channels: list[Channel]
    classes: list[MessageClass]
    says: str
    says_ru: str

    @classmethod
    def of(cls, one: Law) -> LawView:
        return cls(
            id=one.id, verdict=one.verdict, article=one.article, since=one.since, until=one.until,
            checked=one.checked, settled=one.settled, countries=list(one.countries),
            channels=list(one.channels), classes=list(one.classes), says=one.says, says_ru=one.says_ru,
        )  # fmt: skip


class WindowView(View):
    """Hours outside of which the law allows nothing; local to the contact."""

    hours: list[str]
    days: str


class AnswerView(View):
    """What the law says of one class of messages, on one channel, to one country."""

    country: str
    channel: Channel
    message_class: Annotated[MessageClass, Field(serialization_alias="class")]
    verdict: Verdict
    rules: list[str]
    windows: list[WindowView]

    @classmethod
    def of(cls, asked: Asked) -> AnswerView:
        windows = [WindowView(hours=list(one.hours), days=one.days.value) for one in asked.answer.windows]
        return cls(
            country=asked.country, channel=asked.channel, message_class=asked.message_class,
            verdict=asked.answer.verdict, rules=[one.id for one in asked.answer.rules], windows=windows,
        )  # fmt: skip


@router.get("/policy", dependencies=[may("settings:read")])
def show_policy(office: InOffice) -> dict[str, Any]:
    """Show the policy in force: hours, caps, hold-outs, waits, and what the sender is to the law."""
    return _told(policy.show(office))


@router.put("/policy", dependencies=[may("settings:write")])
def put_policy(office: InOffice, values: Values) -> dict[str, Any]:
    """Keep a policy; a key that is left out has its default."""
    return _told(policy.put(office, values))


@router.patch("/policy", dependencies=[may("settings:write")])
def change_policy(office: InOffice, values: Values) -> dict[str, Any]:
    """Change some keys of the policy and leave the rest."""
    return _told(policy.change(office, values))


@router.get("/law", dependencies=[may("settings:read")])
def ask_law(
    office: InOffice,
    country: Annotated[
        tuple[Country, ...], Query(max_length=50, description="ISO 3166-1; several times.")
    ] = (),
    channel: Annotated[tuple[Channel, ...], Query(max_length=20)] = (),
    message_class: Annotated[tuple[MessageClass, ...], Query(alias="class", max_length=4)] = (),
    day: Annotated[date | None, Query(description="Else today.")] = None,
) -> Page[AnswerView]:
    """Tell what may be sent: by default for the countries whose law is known, every channel and class."""
    asked = law.answers(office, country or COUNTRIES, channel or Channel, message_class or MessageClass, day)
    return Page(items=[AnswerView.of(one) for one in asked])


@router.get("/law/rules", dependencies=[may("settings:read")])
def list_laws() -> Page[LawView]:
    """List the rules of the law that are known, with their articles and dates."""
    return Page(items=[LawView.of(one) for one in LAWS])


def _told(found: Policy) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(found)
    return told
