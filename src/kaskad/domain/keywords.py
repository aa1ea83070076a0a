"""Words by which a person says stop or start, read past case, spaces, punctuation and look-alikes (3.6).

Reading errs towards stop: a person then looks at what was more than the bare word.
"""

from __future__ import annotations

import re
import unicodedata

_LOOK_ALIKES = str.maketrans(
    "авеёзікқмнорстухһүұ"  # Cyrillic, Kazakh among them
    "ипьѕјӏ"  # as small letters are drawn: и like u, п like n, ь like b
    "αβεηικμνορτυχ"  # Greek
    "01l",
    "abee3ikkmhopctyxhyyunbsjiabehikmnoptyxoii",
)
_WORD = re.compile(r"[^\W_]+")


def _skeletons(text: str) -> list[str]:
    """Return the words of `text` in a form in which letters that look alike are equal."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return [word.translate(_LOOK_ALIKES) for word in _WORD.findall(plain)]


def _set(text: str) -> frozenset[str]:
    return frozenset("".join(_skeletons(words)) for words in text.split(","))


# Whole texts. 47 CFR 64.1200 (a)(10) names the English ones.
_STOP = _set(
    "stop, stopall, quit, end, revoke, opt out, cancel, unsubscribe,"
    "стоп, ctop, отписка, отписаться, отпишите, отказ, отмена, тоқтату, бас тарту"
)
# First words after which the rest does not matter.
_FIRST = _set("stop, unsubscribe, стоп, отписка, отписаться, отпишите, тоқтату")
# What means stop wherever it stands.
_PHRASES = _set(
    "opt out, opt me out, unsubscribe me, remove me, stop texting, stop sending, stop calling, do not text,"
    "don't text, do not contact, не пишите, не звоните, не присылайте, отпишите меня, отписаться, бас тарту"
)
_START = _set("start, unstop, старт")
_POLITE = _set("please, pls, thanks, пожалуйста, спасибо")


def is_stop(text: str) -> bool:
    """Return whether the text asks us to stop: a keyword alone, one in front, or a phrase that means it."""
    words = [word for word in _skeletons(text) if word not in _POLITE]
    whole = "".join(words)
    if not whole:
        return False
    return whole in _STOP or words[0] in _FIRST or any(phrase in whole for phrase in _PHRASES)


def is_bare_stop(text: str) -> bool:
    """Return whether the text is a stop keyword and nothing else: what is more, a person should look at."""
    return "".join(word for word in _skeletons(text) if word not in _POLITE) in _STOP | _FIRST


def is_start(text: str) -> bool:
    """Return whether the text is the word that takes a stop back, and nothing else."""
    return "".join(_skeletons(text)) in _START


def names_stop(text: str) -> bool:
    """Return whether a text of ours names a word by which people leave."""
    return any(word in _STOP | _FIRST for word in _skeletons(text))
