"""What can be wrong with a template when it is written, and when it is filled."""

from __future__ import annotations

from kaskad.domain.errors import Invalid
from kaskad.domain.worded import worded


class BadTemplate(ValueError):
    """A template that cannot be used: where, what is wrong, and what to do."""

    def __init__(self, name: str, line: int, problem: str, remedy: str) -> None:
        super().__init__(
            worded(
                "Template %(name)r, line %(line)s: %(problem)s: %(remedy)s",
                name=name,
                line=line,
                problem=problem,
                remedy=remedy,
            )
        )
        self.name = name
        self.line = line
        self.problem = problem
        self.remedy = remedy

    def refusal(self) -> Invalid:
        """Return the same as the refusal of what was asked for."""
        return Invalid(
            [
                worded(
                    "%(name)s, line %(line)s: %(problem)s: %(remedy)s.",
                    name=self.name,
                    line=self.line,
                    problem=self.problem,
                    remedy=self.remedy,
                )
            ]
        )


class RenderError(ValueError):
    """A template that cannot be filled for this person; the message must not be sent."""


class MissingVariable(RenderError):
    """Variables that the text shows and this person lacks; `{{ x | default: "…" }}` would help."""

    def __init__(self, template: str, names: tuple[str, ...]) -> None:
        super().__init__(
            worded(
                "Template %(template)r shows %(known)s, which this person lacks: add it, or "
                "write {{ %(names)s | default: … }}",
                template=template,
                known=", ".join(names),
                names=names[0],
            )
        )
        self.names = names
