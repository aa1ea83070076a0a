"""Test messages: a template or a step as one contact would get it, sent to a tester."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from kaskad.actions import test_messages
from kaskad.actions.test_messages import Tested, Wish
from kaskad.domain.ids import contact_text
from kaskad.web.api.accounts import TrialView
from kaskad.web.api.cascades import WRITE, Slug
from kaskad.web.api.fields import PLAIN, Json
from kaskad.web.api.fields import Text as ShortText
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.templates import PEOPLE, Name, PreviewView, TwoLetters, Where
from kaskad.web.api.views import Told, View
from kaskad.web.auth import InOffice, may

router = APIRouter(prefix="/api/v1", tags=["templates"], route_class=IdempotentRoute)

Word = Annotated[str, Field(max_length=64, pattern=PLAIN)]


class TestTold(Told):
    """Where a test goes and whose words it has; what is left out is as in a preview."""

    __test__ = False  # it is no test of ours

    to: Annotated[ShortText, Field(description="A test address of the policy, or one of a seed contact.")]
    contact: Annotated[
        str, Field(max_length=320, pattern=PLAIN, description='"": a seed contact, that of `to` if it is one')
    ] = ""
    anyone: Annotated[bool, Field(description="Its owner has asked for this: also to another address.")] = (
        False
    )
    account: Annotated[Word, Field(description='"": the one that carries live messages.')] = ""
    channel: Annotated[Where | None, Field(description="Of several; else the first.")] = None
    free: Annotated[bool, Field(description="The free text, though there is an approved one.")] = False
    trigger: Annotated[dict[str, Json], Field(default_factory=dict)]

    def wish(
        self, *, language: str = "", variant: str = "", version: str = "", complete: bool = False
    ) -> Wish:  # fmt: skip
        return Wish(
            self.to, self.contact, self.anyone, self.account, self.channel or "", language, variant, version,
            self.free, self.trigger, complete,
        )  # fmt: skip


class TemplateTestTold(TestTold):
    """A test of a template."""

    language: TwoLetters = ""


class StepTestTold(TestTold):
    """A test of a step; without a version of the draft, else of what runs."""

    version: Annotated[str, Field(pattern=r"^(|draft|current|[1-9][0-9]{0,8})$")] = ""
    variant: Word = ""
    complete: Annotated[bool, Field(description="Make up what of the event's properties is not given.")] = (
        False
    )


class TestedView(View):
    """What was sent, with whose words, and what the service said; it is in no figure and no cost."""

    __test__ = False

    to: str
    contact: str
    account: str
    channel: str
    outcome: TrialView
    message: PreviewView

    @classmethod
    def of(cls, told: Tested) -> TestedView:
        return cls(
            to=told.to,
            contact=contact_text(told.contact_id),
            account=told.preview.account,
            channel=told.preview.channel,
            outcome=TrialView.of(told.trial),
            message=PreviewView.of(told.preview),
        )


@router.post("/templates/{name}/test", dependencies=[may(WRITE), may(PEOPLE)])
def test_template(office: InOffice, name: Name, told: TemplateTestTold) -> TestedView:
    """Send a template to a tester as a contact would get it; it belongs to no run and no figure."""
    wish = told.wish(language=told.language)
    return TestedView.of(test_messages.of_a_template(office, name, wish))


@router.post("/cascades/{slug}/steps/{step}/test", dependencies=[may(WRITE), may(PEOPLE)])
def test_step(office: InOffice, slug: Slug, step: str, told: StepTestTold) -> TestedView:
    """Send what a step says to a tester as a contact would get it; it belongs to no run and no figure."""
    wish = told.wish(variant=told.variant, version=told.version, complete=told.complete)
    return TestedView.of(test_messages.of_a_step(office, slug, step, wish))
