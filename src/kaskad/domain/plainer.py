"""The same words in fewer SMS parts: without signs that make all of a text Unicode, or in Latin letters."""

from __future__ import annotations

from kaskad.domain import sms

_SIGNS = str.maketrans({
    "«": '"', "»": '"', "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "—": "-", "–": "-", "−": "-",
    "‑": "-", "…": "...", "•": "-", "·": "-", "№": "No", "×": "x", "\u00a0": " ", "\u202f": " ",
    "\u2009": " ", "\u200b": "", "\ufeff": "", "\u00ad": "", "\t": " ",
})  # fmt: skip
# ICAO Doc 9303-3, table of transliteration of Cyrillic characters: what passports have.
_LATIN = dict(zip("абвгдезийклмнопрстуфыэ", "abvgdeziiklmnoprstufye", strict=True)) | {
    "ё": "e", "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "ie", "ь": "",
    "ю": "iu", "я": "ia", "і": "i", "қ": "k", "ғ": "g", "ә": "a", "ң": "n", "ө": "o", "ұ": "u", "ү": "u",
    "һ": "h",
}  # fmt: skip
_LETTERS = str.maketrans(
    _LATIN | {letter.upper(): latin.capitalize() for letter, latin in _LATIN.items()}
)  # fmt: skip


def plain(text: str) -> str:
    """Return `text` with quotes, dashes and spaces as every phone's alphabet has them."""
    return text.translate(_SIGNS)


def latin(text: str) -> str:
    """Return `text` in Latin letters too, as passports write names."""
    return plain(text).translate(_LETTERS)


def spared(text: str) -> tuple[int, int, int]:
    """Return the parts of a text, how many fewer plain signs would take, and how many fewer Latin letters.

    The last counts only what plain signs alone do not spare.
    """
    parts = sms.parts(text)
    if parts == 1 or sms.encoding(text) is sms.Encoding.GSM7:
        return parts, 0, 0
    simple = plain(text)
    signs = max(0, parts - sms.parts(simple))
    return parts, signs, max(0, parts - signs - sms.parts(simple.translate(_LETTERS)))
