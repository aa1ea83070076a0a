"""For whom something is reckoned before it runs: a list, a segment, everybody, or typical people."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from kaskad.actions.audience import Audience
from kaskad.web.api.fields import PLAIN
from kaskad.web.api.templates import Source
from kaskad.web.api.views import Told

Name = Annotated[str, Field(max_length=100, pattern=PLAIN)]


class Reckoned(Told):
    """A definition, and whom it is for, at most one of the four."""

    definition: Annotated[
        Source, Field(description="YAML or JSON; without one the draft, else what runs.")
    ] = ""
    list: Name = ""
    segment: Name = ""
    everybody: bool = False
    typical: Annotated[bool, Field(description="For people whom each step reaches.")] = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (bool(self.list), bool(self.segment), self.everybody, self.typical).count(True) > 1:
            raise ValueError("say whom it is for once: one of list, segment, everybody and typical")
        return self

    @property
    def whom(self) -> Audience | None:
        """Return the audience that was named."""
        named = self.list or self.segment or self.everybody
        return Audience(self.list, self.segment, self.everybody) if named else None
