"""Counts of segments that may take long: asked, looked at while they are answered, and given up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from kaskad.actions import segments
from kaskad.actions.office import Office
from kaskad.actions.questions import Asked as Question
from kaskad.domain.errors import Invalid
from kaskad.web.api.contact_views import ContactView
from kaskad.web.api.contacts import READ
from kaskad.web.api.fields import Name
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.lists import SegmentText
from kaskad.web.api.views import Told, View
from kaskad.web.auth import InOffice

router = APIRouter(prefix="/api/v1/questions", tags=["lists and segments"], route_class=IdempotentRoute)


class NewQuestion(Told):
    """A segment by its name, or a condition as `text`; `seeds`: seed contacts too."""

    name: Name | None = None
    text: SegmentText | None = None
    seeds: bool = False
    people: Annotated[int, Field(ge=0, le=100)] = 20


class QuestionView(View):
    """A question: `done` parts of `of` are counted. `reach` is how many can be reached on each channel,
    `remarks` what in the question may not be what was meant."""

    id: str
    text: str
    state: str
    done: int
    of: int
    contacts: int | None
    reach: dict[str, int] | None
    people: list[ContactView]
    problem: str
    remarks: list[str]

    @classmethod
    def of_question(cls, office: Office, asked: Question) -> QuestionView:
        answer = asked.answer
        page = segments.people(office, asked)
        return cls(
            id=asked.id, text=asked.text, state=asked.state, done=asked.done, of=asked.of,
            contacts=answer.contacts if answer else None, reach=answer.reach if answer else None,
            people=[ContactView.of(card, page.addresses[card.id]) for card in page.cards],
            problem=asked.problem, remarks=list(asked.remarks),
        )  # fmt: skip


@router.post("", dependencies=[READ])
def ask(
    office: InOffice,
    told: NewQuestion,
    wait: Annotated[float, Query(ge=0, le=10, description="Seconds to wait for the answer.")] = 1.0,
) -> QuestionView:
    """Count a segment, or who meets a condition, with reach and the first people.

    The answer comes when it is counted, or after `wait` seconds with how far it is.
    """
    if (told.name is None) == (told.text is None):
        raise Invalid(["Say whom to count, either by `name` or by `text`."])
    asked = segments.ask(
        office, told.name or "", told.text or "", seeds=told.seeds, limit=told.people, wait_s=wait
    )
    return QuestionView.of_question(office, asked)


@router.post("/refresh", dependencies=[READ])
def refresh(
    office: InOffice,
    wait: Annotated[float, Query(ge=0, le=10, description="Seconds to wait for its end.")] = 1.0,
) -> QuestionView:
    """Make now what segments are counted from; a server does so by itself where segments are asked about."""
    return QuestionView.of_question(office, segments.refresh(office, wait_s=wait))


@router.get("/{question_id}", dependencies=[READ])
def show(office: InOffice, question_id: str) -> QuestionView:
    """Show how far a question is, and its answer."""
    return QuestionView.of_question(office, office.questions.show(question_id))


@router.delete("/{question_id}", dependencies=[READ])
def give_up(office: InOffice, question_id: str) -> QuestionView:
    """Give a question up."""
    return QuestionView.of_question(office, office.questions.give_up(question_id))
