"""Letters in MJML or with a style sheet, made into HTML that mail programs show; their Liquid stays.

MJML: https://documentation.mjml.io/
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from kaskad.domain.template import BadTemplate
from kaskad.domain.template.bounds import check_markup
from kaskad.domain.worded import worded

# Gmail cuts a letter off behind this size, and with it the way to leave.
# https://developers.google.com/workspace/gmail/design/css
MAX_SHOWN = 100_000  # bytes

_HEAD = """
    mj-attributes mj-all mj-class mj-breakpoint mj-font mj-head mj-preview mj-style mj-title
    mj-html-attributes
"""
_LAYOUT = "mjml mj-body mj-section mj-column mj-group mj-wrapper mj-hero mj-accordion mj-accordion-element"
_LEAVES = """
    mj-accordion-text mj-accordion-title mj-button mj-carousel mj-carousel-image mj-divider mj-image mj-navbar
    mj-navbar-link mj-raw mj-social mj-social-element mj-spacer mj-table mj-text
"""
TAGS = frozenset(f"{_HEAD} {_LAYOUT} {_LEAVES}".split())
_CONTAINERS = "|".join(_LAYOUT.split())

_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?(mj[\w-]*|mjml)\b", re.IGNORECASE)
_MARK = re.compile(r"(?:<!--)?x7kq(\d+)qk7x(?:-->)?")
_BETWEEN = re.compile(rf">\s*((?:x7kq\d+qk7x\s*)+)(?=<mj-|</(?:{_CONTAINERS})>)")
# What holds no elements, so that a comment there would be text.
_CLOSED = re.compile(
    r"<!--.*?-->|<(style|title|mj-style|mj-title|mj-preview)\b.*?</\1\s*>|<(?!!--)[^>]*>",
    re.DOTALL | re.IGNORECASE,
)


class _Held:
    """Markup whose Liquid is held back behind marks of plain letters, which no tool changes."""

    def __init__(self, source: str) -> None:
        self._pieces: list[str] = []
        self.text = _LIQUID.sub(self._keep, source)

    def _keep(self, found: re.Match[str]) -> str:
        self._pieces.append(found[0])
        return f"x7kq{len(self._pieces) - 1}qk7x"

    def give_back(self, text: str) -> str:
        return _MARK.sub(lambda found: self._pieces[int(found[1])], text)


def html_of(source: str, name: str) -> str:
    """Return the HTML of an MJML letter, its Liquid kept; raises BadTemplate."""
    import mrml  # late: only letters in MJML need it

    check_markup(source, name, xml=True)
    held = _Held(source)
    check_markup(held.text, name, xml=True)  # its Liquid may have stood in the name of an element
    _check_tags(_blank(source), name)
    text = _BETWEEN.sub(lambda found: f"><mj-raw>{found[1].strip()}</mj-raw>", held.text)
    try:
        made = mrml.to_html(_hide_outside_tags(text.strip()))
    except OSError as problem:
        remedy = worded(
            "close every tag, and begin with <mjml><mj-body>: https://documentation.mjml.io/ shows how"
        )
        raise BadTemplate(
            name, 1, worded("the MJML cannot be read (%(problem)s)", problem=problem), remedy
        ) from None
    return held.give_back(made.content)


def inlined(source: str, name: str) -> str:
    """Return HTML with its styles at its elements, but for rules with conditions; raises BadTemplate."""
    if "<style" not in source.lower():
        return source
    import css_inline

    check_markup(source, name)
    held = _Held(source)
    check_markup(held.text, name)
    inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
    try:
        return held.give_back(inliner.inline(_hide_outside_tags(held.text)))
    except css_inline.InlineError as problem:
        raise BadTemplate(
            name,
            1,
            worded("its style sheet cannot be read (%(problem)s)", problem=problem),
            worded("mend the <style>"),
        ) from None


def _hide_outside_tags(text: str) -> str:
    """Return text whose marks between elements are comments: a table throws out words between its rows."""
    done, at = [], 0
    for closed in _CLOSED.finditer(text):
        done += [_MARK.sub(r"<!--\g<0>-->", text[at : closed.start()]), closed[0]]
        at = closed.end()
    return "".join([*done, _MARK.sub(r"<!--\g<0>-->", text[at:])])


def _nearest(tag: str) -> str:
    near = get_close_matches(tag, sorted(TAGS), n=1, cutoff=0.6)
    return (
        worded("did you mean <%(near)s>?", near=near[0])
        if near
        else worded("https://documentation.mjml.io/ lists them")
    )


def _blank(source: str) -> str:
    """Return the source with comments and Liquid as blanks, each line where it was."""
    blank = re.compile(r"[^\n]")
    text = _COMMENT.sub(lambda found: blank.sub(" ", found[0]), source)
    return _LIQUID.sub(lambda found: blank.sub(" ", found[0]), text)


def _check_tags(source: str, name: str) -> None:
    """Raise BadTemplate for the first element that MJML does not have; mrml itself names no line."""
    for found in _TAG.finditer(source):
        tag = found[1].lower()
        if tag not in TAGS:
            line = source.count("\n", 0, found.start()) + 1
            raise BadTemplate(name, line, worded("MJML has no <%(tag)s>", tag=tag[:40]), _nearest(tag))
    for needed in ("mjml", "mj-body"):
        if not re.search(rf"<{needed}\b", source, re.IGNORECASE):
            raise BadTemplate(
                name,
                1,
                worded("MJML needs <%(needed)s>", needed=needed),
                worded("write <mjml><mj-body>…</mj-body></mjml>"),
            )
