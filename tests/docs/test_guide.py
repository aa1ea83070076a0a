"""The guide for marketers: what it tells to press is what the pages say, and its pictures are there."""

import re
from pathlib import Path

import pytest

from kaskad.web.pages.i18n import words

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
LARGEST = 60_000


def said(language):
    """Return what pages say in a language, with what is filled in left open."""
    known = words("ru")
    texts = known.single.values() if language == "ru" else [message for _, message in known.single]
    return [re.compile(re.sub(r"%\\\(\w+\\\)s", ".+", re.escape(text))) for text in texts if text]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_guide_names_what_the_pages_say(language):
    text = (GUIDE / f"{language}.md").read_text("utf-8")
    bold = {" ".join(each.split()) for each in re.findall(r"\*\*([^*]+)\*\*", text)} - {"+"}
    known = said(language)
    assert len(bold) > 20
    assert [each for each in sorted(bold) if not any(one.fullmatch(each) for one in known)] == []
    pictures = re.findall(r"\]\((pictures/[^)]+)\)", text)
    assert len(pictures) == 6 and all(0 < (GUIDE / each).stat().st_size <= LARGEST for each in pictures)


def test_both_languages_tell_the_same():
    ru, en = ((GUIDE / f"{language}.md").read_text("utf-8") for language in ("ru", "en"))
    for found in (r"^## (\d)", r"pictures/(\w+)-", r"`([^`]+)`"):
        assert re.findall(found, ru, re.MULTILINE) == re.findall(found, en, re.MULTILINE)
