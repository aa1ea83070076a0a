"""Liquid as marketers may use it: python-liquid, strict, within limits, with filters and links of ours.

https://jg-rp.github.io/liquid/ is the reference of the language. Left out: `include` and `render` (there
is nothing to include), and the clock (`now`, `today`): a text depends on its scope alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial, wraps
from html import unescape
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, Markup, RenderContext, TokenStream, Undefined, escape
from liquid.ast import BlockNode, Node
from liquid.builtin.expressions import FilteredExpression, tokenize
from liquid.builtin.expressions.primitive import StringLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidSyntaxError
from liquid.expression import Expression
from liquid.parser import get_parser
from liquid.stringify import to_liquid_string
from liquid.tag import Tag
from liquid.token import TOKEN_EOF, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG, Token
from liquid.utils import ReadOnlyChainMap

from kaskad.domain.template.filters import HERE, LOCAL, NOWHERE, Here, instant_of, local_date
from kaskad.domain.template.problem import RenderError
from kaskad.domain.template.speech import SPOKEN
from kaskad.domain.worded import worded

MAX_VALUE = 50_000  # characters that go into or come out of a filter
MAX_ITEMS = 2_000
MAX_BITS = 256
MAX_OUTPUT = 500_000  # bytes

# Channels on which a person comes to us first, by a link of ours.
OPT_IN_CHANNELS = ("telegram", "max", "vk", "viber", "whatsapp", "facebook_messenger", "instagram", "push")

Filter = Callable[..., object]
Located = RenderContext | Mapping[str, object]  # a filter's context; on the fast road the scope itself


class Missing(Undefined):
    """A variable that is not there: false in conditions, its default where it has one, else noted."""

    __slots__ = ("noted",)
    force_liquid_default = True
    noted: dict[str, None]

    def poke(self) -> bool:
        self.noted.setdefault(self.name)
        return True

    def __str__(self) -> str:
        self.poke()
        return ""

    def __iter__(self) -> Iterator[Any]:
        self.poke()
        return iter(())

    def __len__(self) -> int:
        self.poke()
        return 0


class Context(RenderContext):
    """A context that notes missing variables and knows no clock."""

    __slots__ = ("missing",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.missing: dict[str, None] = {}
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)

    def get(self, path: list[object], *, token: Token | None, default: object = None) -> object:
        """Return the value at `path`, or a `Missing` that bears the whole path as its name."""
        value = super().get(path, token=token)
        if isinstance(value, Missing):
            value.name = ".".join(str(segment) for segment in path)
            value.noted = self.missing
        return value

    def link(self, destination: str) -> str:
        """Return the tracked address of `destination`, or itself where the scope tracks nothing."""
        return follow(self.globals, destination)


class Filled(BoundTemplate):
    context_class = Context


def follow(scope: Mapping[str, object], destination: str) -> str:
    """Return what the scope's `link` makes of `destination`."""
    link = scope.get("link")
    return str(link(destination)) if callable(link) else destination


def invite(scope: Mapping[str, object], channel: str) -> str:
    """Return what the scope's `opt_in` gives for a channel: a link of the person's own into its chat."""
    opt_in = scope.get("opt_in")
    if not callable(opt_in):
        raise RenderError(
            worded('opt_in("%(channel)s") is known only in a message to somebody', channel=channel)
        )
    return str(opt_in(channel))


def destination_of(value: object) -> str:
    """Return the plain address in a value that may have been escaped for HTML."""
    if type(value) is str:
        return value.strip()
    if isinstance(value, Markup):
        return str(value.unescape()).strip()
    return to_liquid_string(value, autoescape=False).strip()


class LinkOutput(OutputNode):
    """`{{ link(trigger.cart_url) }}`: the tracked address of a destination."""

    def __str__(self) -> str:
        return f"{{{{ link({self.expression}) }}}}"

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, Context)
        url = context.link(destination_of(self.expression.evaluate(context)))
        return buffer.write(escape(url) if context.autoescape else url)


class OptInOutput(OutputNode):
    """`{{ opt_in("telegram") }}`: the person's own link into our chat there."""

    def __init__(self, token: Token, channel: str) -> None:
        super().__init__(token, StringLiteral(token, channel))
        self.channel = channel

    def __str__(self) -> str:
        return f'{{{{ opt_in("{self.channel}") }}}}'

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        url = invite(context.globals, self.channel)
        return buffer.write(escape(url) if context.autoescape else url)


class LinkBlock(Node):
    """`{% link %}https://…{{ x }}{% endlink %}`: what stands between is the destination."""

    __slots__ = ("block",)

    def __init__(self, token: Token, block: BlockNode) -> None:
        super().__init__(token)
        self.block = block
        self.blank = False
        self.block.blank = False

    def __str__(self) -> str:
        return f"{{% link %}}{self.block}{{% endlink %}}"

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        assert isinstance(context, Context)
        inner = context.get_buffer(buffer)
        self.block.render(context, inner)
        text = inner.getvalue()
        url = context.link((unescape(text) if context.autoescape else text).strip())
        return buffer.write(escape(url) if context.autoescape else url)

    def children(self, _context: RenderContext, *, include_partials: bool = True) -> Iterable[Node]:
        yield self.block


_CALL = re.compile(r"link\s*\((.*)\)\s*", re.DOTALL)
_INVITE = re.compile(r"""opt_in\s*\(\s*(["'])(\w+)\1\s*\)\s*""")
_NOT_A_CALL = re.compile(r"""["'].*?["']|\b(?:link|opt_in)\s*\(""", re.DOTALL)


class LinkingOutput(Output):
    """Output that also reads `link(…)` and `opt_in(…)`, which Liquid itself has no way to write."""

    def parse(self, stream: TokenStream) -> OutputNode:
        token = stream.eat(TOKEN_OUTPUT)
        inner = stream.expect(TOKEN_EXPRESSION)
        wanted = _INVITE.fullmatch(inner.value)
        if wanted is not None:
            if wanted[2] not in OPT_IN_CHANNELS:
                raise LiquidSyntaxError(
                    worded("opt_in(…) knows no channel %(wanted)r", wanted=wanted[2]), token=inner
                )
            return OptInOutput(token, wanted[2])
        call = _CALL.fullmatch(inner.value)
        if call is None:
            for found in _NOT_A_CALL.finditer(inner.value):
                if found[0][0] not in "\"'":
                    called = found[0].rstrip("( \t\r\n")
                    raise LiquidSyntaxError(
                        worded("%(called)s(…) must stand alone in its {{ }}", called=called), token=inner
                    )
            return self.node_class(token, self._expression(inner.value, inner))
        shifted = Token(inner.kind, call[1], inner.start_index + call.start(1), inner.source)
        return LinkOutput(token, self._expression(call[1], shifted))

    def _expression(self, text: str, token: Token) -> Expression:
        return FilteredExpression.parse(self.env, TokenStream(tokenize(text, token)))


class LinkTag(Tag):
    name = "link"
    end = "endlink"

    def parse(self, stream: TokenStream) -> Node:
        token = stream.eat(TOKEN_TAG)
        block = get_parser(self.env).parse_block(stream, frozenset((self.end, TOKEN_EOF)))
        stream.expect(TOKEN_TAG, value=self.end)
        return LinkBlock(token, block)


class LimitedEnvironment(Environment):
    """Liquid within the limits of ours; see design, "marketers' templates"."""

    template_class = Filled
    block_nesting_limit = 20
    context_depth_limit = 20
    loop_iteration_limit = 10_000
    local_namespace_limit = 500_000
    output_stream_limit = MAX_OUTPUT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(LinkingOutput)
        self.add_tag(LinkTag)
        del self.tags["include"], self.tags["render"]
        self.filters.update({name: _localized(function) for name, function in {**LOCAL, **SPOKEN}.items()})
        for name, function in self.filters.items():
            if getattr(function, "with_environment", False):
                function = partial(function, environment=self)
            if name == "date":
                function = _date(function)
            self.filters[name] = _guarded(name, function)


def _localized(function: Callable[..., str | int]) -> Filter:
    """Return a filter that finds in its context in whose language and zone it speaks."""

    def located(value: object, *args: object, context: Located, **kwargs: object) -> object:
        return function(_here(context), value, *args, **kwargs)

    located.with_context = True  # type: ignore[attr-defined]
    return located


def _here(context: Located) -> Here:
    scope = context.globals if isinstance(context, RenderContext) else context
    here = scope.get(HERE)
    return here if isinstance(here, Here) else NOWHERE


def _date(plain: Filter) -> Filter:
    """Return the date filter: patterns of Unicode in the person's language, or those with % as in Liquid."""

    def dated(
        value: object, pattern: object = "", *args: object, context: Located, **kwargs: object
    ) -> object:
        here = _here(context)
        if "%" not in str(pattern) and str(pattern).strip():
            return local_date(here, value, pattern, *args, **kwargs)
        if here is not NOWHERE and not isinstance(value, Undefined):
            with suppress(RenderError):
                value = instant_of(value, here.zone)
        return plain(value, pattern, *args, **kwargs)

    dated.with_context = True  # type: ignore[attr-defined]
    return dated


def _guarded(name: str, function: Filter) -> Filter:
    """Return a filter that refuses what is too large before and after.

    What is missing stays missing, so that a `default` behind other filters still helps.
    """

    @wraps(function)
    def guarded(value: object, *args: object, **kwargs: object) -> object:
        if name != "default":
            if isinstance(value, Missing):
                return value
            for given in (*args, *(told for key, told in kwargs.items() if key != "context")):
                if isinstance(given, Missing):
                    given.poke()
                _check_size(name, given)
        _check_size(name, value)
        if name == "date" and isinstance(value, str) and value.strip().lower() in ("now", "today"):
            raise RenderError(
                worded("the date filter knows no clock: put the instant into the trigger's properties")
            )
        growth = _GROWTH.get(name)
        if growth is not None and growth(value, *args) > MAX_VALUE:
            raise RenderError(
                worded(
                    "the filter %(name)s would make a text over %(max_value)s characters",
                    name=name,
                    max_value=MAX_VALUE,
                )
            )
        result = function(value, *args, **kwargs)
        _check_size(name, result)
        return result

    guarded.with_environment = False  # type: ignore[attr-defined]
    guarded.with_context = getattr(function, "with_context", False)  # type: ignore[attr-defined]
    return guarded


def _check_size(name: str, value: object) -> None:
    if isinstance(value, str):
        if len(value) > MAX_VALUE:
            raise RenderError(
                worded(
                    "the filter %(name)s met a text over %(max_value)s characters",
                    name=name,
                    max_value=MAX_VALUE,
                )
            )
    elif isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise RenderError(
                worded(
                    "the filter %(name)s met a number over %(max_bits)s bits", name=name, max_bits=MAX_BITS
                )
            )
    elif isinstance(value, (list, tuple, range, dict)) and len(value) > MAX_ITEMS:
        raise RenderError(
            worded("the filter %(name)s met a list over %(max_items)s items", name=name, max_items=MAX_ITEMS)
        )


def _replaced(value: object, old: object = "", new: object = "", *_: object) -> int:
    text = str(value)
    return len(text) + text.count(str(old)) * len(str(new))


def _joined(value: object, separator: object = " ", *_: object) -> int:
    items = value if isinstance(value, (list, tuple, range)) else ()
    return sum(len(item) if isinstance(item, str) else 20 for item in items) + len(items) * len(
        str(separator)
    )


_GROWTH: dict[str, Callable[..., int]] = {"replace": _replaced, "join": _joined}
PLAIN = LimitedEnvironment(undefined=Missing)
HTML = LimitedEnvironment(undefined=Missing, autoescape=True)
