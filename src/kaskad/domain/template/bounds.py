"""Is a text one that our tools can read in no time: nothing without an end, and not nested too deep?

What reads Liquid, MJML and HTML here looks for the end of each thing that begins: thousands that never
end would keep it for hours, and with it the engine. mrml and css-inline call themselves for each element
within another: at some thousand the process ends.
"""

from __future__ import annotations

import re
from collections import Counter

from kaskad.domain.template.problem import BadTemplate
from kaskad.domain.worded import worded

MANY = 10_000  # places that Liquid fills or decides; reading as many takes about a second
LOOSE = 300  # what begins and never ends: more are no slips of the pen
DEEP = 500  # elements in one another; the tools end at some thousand
FORMATTING = 60  # HTML begins each of these anew in every paragraph, until it is closed

_TAG = re.compile(r"<(/?)([A-Za-z][^\s<>/]*)[^<>]*>")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_WHOLE = re.compile(r"<[^<>]*>")
_LIQUID = (("{{", "}}"), ("{%", "%}"), (re.compile(r"\{%-?\s*raw\b"), "endraw"),
           (re.compile(r"\{%-?\s*block\b"), "endblock"))  # fmt: skip
_MARKUP = (
    ("<!--", "-->"),
    *((f"<{name}", f"</{name}") for name in ("style", "title", "mj-style", "mj-title", "mj-preview")),
)
_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track")
)
_IMPLIED = frozenset(  # close one another
    ("p", "li", "td", "th", "tr", "tbody", "thead", "tfoot", "dt", "dd", "option", "colgroup")
)
_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)


def check_liquid(source: str, name: str) -> None:
    """Raise BadTemplate where Liquid begins far more than it ends, or has too many places."""
    places = source.count("{{") + source.count("{%")
    if places > MANY:
        raise BadTemplate(
            name,
            1,
            worded(
                "%(places)s places are to be filled in or decided, over %(most)s", places=places, most=MANY
            ),
            worded("repeat what is alike by {%% for %%}"),
        )
    for opening, closing in _LIQUID:
        _check_ends(source, opening, closing, name)


def check_markup(source: str, name: str, *, xml: bool = False) -> None:
    """Raise BadTemplate for HTML, or with `xml` MJML, that no tool of ours should be given."""
    check_liquid(source, name)
    if source.count("<") - len(_WHOLE.findall(source)) > LOOSE:
        raise BadTemplate(
            name, 1, worded("tags begin with < and never end"), worded("close each by >, or write &lt;")
        )
    for opening, closing in _MARKUP:
        _check_ends(source.lower(), opening, closing, name)
    _check_depth(_COMMENT.sub("", source), name, xml=xml)


def _check_ends(source: str, opening: str | re.Pattern[str], closing: str, name: str) -> None:
    rest = source[source.rfind(closing) + 1 :]
    count = rest.count(opening) if isinstance(opening, str) else len(opening.findall(rest))
    if count > LOOSE:
        raise BadTemplate(
            name,
            1,
            worded("much begins that no %(closing)s ends", closing=closing),
            worded("close it by %(closing)s", closing=closing),
        )


def _check_depth(source: str, name: str, *, xml: bool) -> None:
    """Count what is open, by its name: what closes another element than the last is taken for sloppy."""
    still_open: Counter[str] = Counter()
    deep = formatting = 0
    for tag in _TAG.finditer(source):
        word = tag[2].lower()
        if (word in _VOID) or (not xml and word in _IMPLIED) or (xml and tag[0].endswith("/>")):
            continue
        change = 1
        if tag[1]:
            if not still_open[word]:
                continue
            change = -1
        still_open[word] += change
        deep += change
        formatting += change * (not xml and word in _FORMATTING)
        if deep > DEEP or formatting > FORMATTING:
            line = source.count("\n", 0, tag.start()) + 1
            raise BadTemplate(
                name,
                line,
                worded("<%(word)s> stands too deep within others", word=word[:40]),
                worded("close what is open"),
            )
