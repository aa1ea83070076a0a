"""Find out in which encoding a text was written, also where its lines are written in different ones.

UTF-8 and UTF-16 show themselves; of the encodings with one byte a letter, that one is taken in which the text
looks most like Russian (frequent letters, capitals only where words begin), or like a Western language.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections import Counter
from io import BytesIO
from math import log

from msgspec import Struct

from kaskad.domain.errors import Invalid
from kaskad.domain.worded import worded

SINGLE_BYTE = ("cp1251", "cp866", "koi8-r", "cp1252")  # at equal scores the first is taken
_SAMPLE = 65_536
_AT_ONCE = 1 << 20  # bytes that are decoded at once
_ODD_LINES_TOLD = 10
_LOOKED_AT = 1_000  # lines, to see whether all are in one encoding
_BY_NO_CHANCE = 4  # letters of a line
_PUNCTUATION = frozenset("«»–—№’‘“”„…\u00a0°€©®·")
# How often each letter stands in Russian texts, in per cent.
_OFTEN = {
    "о": 10.97, "е": 8.45, "а": 8.01, "и": 7.35, "н": 6.70, "т": 6.26, "с": 5.47, "р": 4.73, "в": 4.54,
    "л": 4.40, "к": 3.49, "м": 3.21, "д": 2.98, "п": 2.81, "у": 2.62, "я": 2.01, "ы": 1.90, "ь": 1.74,
    "г": 1.70, "з": 1.65, "б": 1.59, "ч": 1.44, "й": 1.21, "х": 0.97, "ж": 0.94, "ш": 0.73, "ю": 0.64,
    "ц": 0.48, "щ": 0.36, "э": 0.32, "ф": 0.26, "ъ": 0.04, "ё": 0.04,
}  # fmt: skip
_WEIGHT = {letter: log(often * len(_OFTEN) / 100) for letter, often in _OFTEN.items()}
_ODD = -4.0  # what does not belong where it stands


class Encoded(Struct, frozen=True):
    """A text in one encoding; `name` says how it was written, `remark` what was odd about that."""

    data: bytes
    codec: str
    name: str
    remark: str = ""


def encoded(data: bytes, source: str) -> Encoded:
    """Return the text with its encoding; raises Invalid where it is none.

    A text whose lines are in different encodings comes back in UTF-8.
    """
    if (wide := _utf_16(data)) is not None:
        if "\0" in data.decode(wide, "replace"):
            raise Invalid(
                [worded("%(source)s holds the character U+0000: save it as CSV in UTF-8", source=source)]
            )
        return Encoded(data, wide, "utf-16")
    if b"\0" in data:
        raise Invalid([worded("%(source)s is no text: save it as CSV in UTF-8, or as XLSX", source=source)])
    if not _is_in(data, "utf-8-sig"):
        return _without_sign(data)
    return Encoded(data, "utf-8-sig", "utf-8")


def _is_in(data: bytes, codec: str) -> bool:
    """Return whether all of it can be read so; it is not decoded at once, which would take twice its size."""
    decoder, whole = getincrementaldecoder(codec)(), memoryview(data)
    try:
        for start in range(0, len(data), _AT_ONCE):
            decoder.decode(whole[start : start + _AT_ONCE])
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _utf_16(data: bytes) -> str | None:
    """Return the codec of a text of two bytes a letter, told by its mark or by where its zeros stand."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    sample = data[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if len(data) % 2 or max(even, odd) * 10 < len(sample) or min(even, odd):
        return None
    codec = "utf-16-le" if odd else "utf-16-be"
    return codec if _is_in(data, codec) else None


def _without_sign(data: bytes) -> Encoded:
    """Return a text that is not UTF-8 throughout; its lines are looked at one by one, and not all kept."""
    high = 0  # lines with letters that are no ASCII, and of these …
    others, others_kept = 0, _Spread()  # … those that are no UTF-8
    sample = bytearray()
    surely_utf_8 = False
    for line in BytesIO(data):
        if line.isascii():
            continue
        high += 1
        if _is_utf_8(line):
            surely_utf_8 = surely_utf_8 or _is_surely_utf_8(line)
            continue
        others += 1
        others_kept.add(line)
        if len(sample) < _SAMPLE:
            sample += line
    guessed = guess(bytes(sample[:_SAMPLE]))
    several = any(_codec_of(line, guessed) != guessed for line in others_kept.lines)
    # Two Cyrillic letters may look like UTF-8 by chance.
    whole = others * 2 >= high and not surely_utf_8
    if whole and not several:
        return Encoded(data, guessed, guessed)
    return _line_by_line(data, guessed, several=several, utf_8=not whole)


class _Spread:
    """Lines from everywhere among those that were added, so many that looking at each takes no time."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._every = 1
        self._left_out = 0  # since the last one that was kept

    def add(self, line: bytes) -> None:
        self._left_out += 1
        if self._left_out < self._every:
            return
        self._left_out = 0
        self.lines.append(line)
        if len(self.lines) >= 2 * _LOOKED_AT:
            del self.lines[::2]
            self._every *= 2


def _line_by_line(data: bytes, guessed: str, *, several: bool, utf_8: bool) -> Encoded:
    """Return a text of lines in different encodings; `guessed` is that of most which are no UTF-8.

    `utf_8`: what can be read as UTF-8 is; `several`: the others are in more than one.
    """
    changed, counts, first = BytesIO(), Counter[str](), dict[str, list[int]]()
    for number, line in enumerate(BytesIO(data), 1):
        if line.isascii() or (utf_8 and _is_utf_8(line)):
            changed.write(line)
            continue
        codec = _codec_of(line, guessed) if several else guessed
        counts[codec] += 1
        if counts[codec] <= _ODD_LINES_TOLD:
            first.setdefault(codec, []).append(number)
        changed.write(line.decode(codec, "replace").encode())
    # Without UTF-8 the others are those that are told.
    odd = [codec for codec in first if utf_8 or codec != guessed]
    said = "; ".join(f"line {_listed(first[codec], counts[codec])} in {codec}" for codec in odd)
    usual = "UTF-8" if utf_8 else guessed
    remark = f"the file is {usual}, but for {said}: read as such, look at the names there" if said else ""
    names = ["utf-8"] * utf_8 + [guessed] + [codec for codec in odd if codec != guessed]
    return Encoded(changed.getvalue(), "utf-8-sig", " and ".join(names), remark)


def _listed(first: list[int], count: int) -> str:
    more = f" and {count - len(first)} more" if count > len(first) else ""
    return f"{', '.join(map(str, first))}{more}"


def _codec_of(line: bytes, guessed: str) -> str:
    """Return the encoding of a line: another one where it is a language only in that."""
    if sum(byte > 0x7F for byte in line) < _BY_NO_CHANCE or _likeness(line.decode(guessed, "replace")) >= 0:
        return guessed
    own = guess(line)
    return own if _likeness(line.decode(own, "replace")) > 0 else guessed


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_surely_utf_8(line: bytes) -> bool:
    """Return whether a line that may be UTF-8 has so many Cyrillic letters then as no chance makes."""
    high = [letter for letter in line.decode() if letter > "\x7f" and letter not in _PUNCTUATION]
    return len(high) >= _BY_NO_CHANCE and all(letter.lower() in _WEIGHT for letter in high)


def guess(sample: bytes) -> str:
    """Return the encoding of one byte a letter in which the text looks most like a language."""
    return max(SINGLE_BYTE, key=lambda codec: _likeness(sample.decode(codec, "replace")))


def _likeness(text: str) -> float:
    total, before = 0.0, " "
    for letter in text:
        if letter > "\x7f":
            total += _fits(letter, before)
        elif letter.isalpha() and _is_cyrillic(before):
            total += _ODD
        before = letter
    return total


def _fits(letter: str, before: str) -> float:
    """Return how well a letter beyond ASCII stands after another."""
    if letter in _PUNCTUATION:
        return 0.0
    if not letter.isalpha():
        return _ODD
    latin_before = before.isalpha() and not _is_cyrillic(before)
    if not _is_cyrillic(letter):  # a Western text: letters with accents are rare, among plain ones
        return 1.0 if before.isascii() and (latin_before or not before.isalpha()) else _ODD
    if latin_before or (letter.isupper() and before.islower()):
        return _ODD
    return _WEIGHT.get(letter.lower(), _ODD)


def _is_cyrillic(letter: str) -> bool:
    return "\u0400" <= letter <= "\u04ff"
