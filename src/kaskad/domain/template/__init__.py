"""Marketers' templates: a text with Liquid in it, compiled once and filled for each person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from liquid.exceptions import LiquidError

from kaskad.domain.template.bounds import check_liquid
from kaskad.domain.template.fast import Unusual, compile_fast
from kaskad.domain.template.liquid import HTML, OPT_IN_CHANNELS, PLAIN, Context, Filled
from kaskad.domain.template.problem import BadTemplate, MissingVariable, RenderError
from kaskad.domain.template.speech import SPOKEN
from kaskad.domain.worded import worded

__all__ = ["BadTemplate", "MissingVariable", "RenderError", "Template", "compile_text"]

LOCAL_FILTERS = frozenset({"date", "day_words", "days_until", "money", "number", *SPOKEN})
_UNUSUAL = (Unusual, LookupError, TypeError, ValueError, ArithmeticError, AttributeError, LiquidError)
MAX_SOURCE = 200_000  # bytes
HOW_TO_LINK = worded('write {{ link(trigger.url) }} or {{ link("https://…") }}')
HOW_TO_INVITE = worded(
    'write {{ opt_in("telegram") }}, or another of %(known)s', known=", ".join(OPT_IN_CHANNELS)
)
REFERENCE = "https://jg-rp.github.io/liquid/"


class Template:
    """A compiled text. `variables` are the dotted names that it reads; `invites`: it may ask for `opt_in`.

    `local`: it has filters that ask for the person's language and zone.
    """

    __slots__ = ("_fast", "_liquid", "invites", "local", "name", "variables")

    def __init__(
        self, name: str, liquid: Filled, variables: frozenset[str], *, invites: bool, local: bool = False
    ) -> None:
        self.name = name
        self.invites = invites
        self.local = local
        self.variables = variables
        self._liquid = liquid
        self._fast: Callable[[Mapping[str, Any]], str] | None = compile_fast(liquid)

    @property
    def is_fast(self) -> bool:
        """Whether the text keeps to the part of Liquid that is compiled to Python."""
        return self._fast is not None

    def render(self, scope: Mapping[str, object]) -> str:
        """Return the text for `scope`; `scope["link"]`, if any, turns destinations into tracked addresses.

        Raises MissingVariable with all names that are shown and not there, and RenderError for the rest.
        """
        if self._fast is not None:
            try:
                return self._fast(scope)
            except RenderError:
                raise
            except (
                Unusual,
                LookupError,
                TypeError,
                ValueError,
                ArithmeticError,
                AttributeError,
                LiquidError,
            ):
                pass  # python-liquid says what is wrong, if anything is
        return self.render_slowly(scope)

    def render_slowly(self, scope: Mapping[str, object]) -> str:
        """Return the text as python-liquid itself renders it, with the same errors as `render`."""
        context = Context(self._liquid, globals=scope)
        buffer = context.get_buffer()
        try:
            self._liquid.render_with_context(context, buffer)
        except LiquidError as problem:
            place = worded(", line %(line)s", line=line) if (line := _line(problem)) else ""
            raise RenderError(
                worded(
                    "Template %(name)r%(place)s: %(message)s",
                    name=self.name,
                    place=place,
                    message=problem.message,
                )
            ) from None
        except RenderError:
            raise
        except (*_UNUSUAL, RecursionError) as problem:  # python-liquid lets some of Python's own through
            raise RenderError(
                worded(
                    "Template %(name)r cannot be filled: %(problem)s", name=self.name, problem=str(problem)
                )
            ) from None
        if context.missing:
            raise MissingVariable(self.name, tuple(context.missing))
        return buffer.getvalue()


def compile_text(source: str, *, name: str, autoescape: bool = False) -> Template:
    """Return the compiled `source`; with `autoescape`, values are made safe for HTML. Raises BadTemplate."""
    size = len(source.encode("utf-8", "replace"))
    if size > MAX_SOURCE:
        raise BadTemplate(
            name,
            1,
            worded(
                "%(size)s bytes are over the %(max_source)s that a template may have",
                size=size,
                max_source=MAX_SOURCE,
            ),
            worded("shorten it"),
        )
    check_liquid(source, name)
    try:
        liquid = (HTML if autoescape else PLAIN).from_string(source, name=name)
    except LiquidError as problem:
        line = _line(problem) or source.count("\n") + 1  # without a place: the text ends too early
        raise BadTemplate(name, line, str(problem.message), _remedy(str(problem.message))) from None
    except RecursionError:
        raise BadTemplate(
            name, 1, worded("blocks stand too deep in each other"), worded("take some apart")
        ) from None
    assert isinstance(liquid, Filled)
    analysis = liquid.analyze(include_partials=False)
    for called, spans in analysis.filters.items():
        if called not in liquid.env.filters:
            line = source.count("\n", 0, spans[0].index) + 1
            raise BadTemplate(
                name,
                line,
                worded("unknown filter %(called)r", called=called),
                worded("see %(reference)s for those there are", reference=REFERENCE),
            )
    variables = frozenset(str(variable) for found in analysis.globals.values() for variable in found)
    if "opt_in" in variables:
        raise BadTemplate(name, 1, worded("opt_in is not a variable"), HOW_TO_INVITE)
    if "link" in variables:
        raise BadTemplate(
            name,
            1,
            worded("link is not a variable"),
            worded('write {{ link(trigger.url) }} or {{ link("https://…") }}'),
        )
    local = not LOCAL_FILTERS.isdisjoint(analysis.filters)
    return Template(name, liquid, variables, invites="opt_in" in source, local=local)


def _line(problem: LiquidError) -> int:
    token = problem.token
    if token is None or token.start_index < 0:
        return 0
    return token.source.count("\n", 0, token.start_index) + 1


_REMEDIES = (
    (
        "unexpected tag",
        worded("see %(reference)s for the tags there are, and close what is open", reference=REFERENCE),
    ),
    ("expected tag end", worded("close the block with that tag")),
    ("expected '}}'", worded("close the braces")),
    ("missing tag name", worded("close the braces")),
    ("link(", HOW_TO_LINK),
    ("opt_in(", HOW_TO_INVITE),
)


def _remedy(problem: str) -> str:
    for part, remedy in _REMEDIES:
        if part in problem:
            return remedy
    return worded("mend it; the language is described at %(reference)s", reference=REFERENCE)
