from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.sms import EXTENSION, SIZES, Encoding, encoding, parts, split, units

CART = "Иван, корзина с Nike удалится завтра. Оформить: https://s.kz/AbC123"
VECTORS = [  # domain rules, section 4
    ("a" * 160, 1),
    ("a" * 161, 2),
    ("a" * 306, 2),
    ("a" * 307, 3),
    ("a" * 158 + "€", 1),
    ("a" * 159 + "€", 2),
    ("a" * 152 + "€" + "a" * 152, 3),
    ("я" * 70, 1),
    ("я" * 71, 2),
    ("я" * 134, 2),
    ("я" * 135, 3),
    ("a" * 69 + "😀", 2),
    ("я" * 66 + "😀" + "я" * 66, 3),
    (CART, 1),
    (CART + " Отказ: СТОП", 2),
    ("", 1),
]
texts = st.text(st.sampled_from("aZ9 @€[]`é\nяЁ😀ç") | st.characters(), max_size=500)


@pytest.mark.parametrize(("text", "expected"), VECTORS)
def test_parts_are_those_of_the_published_vectors(text, expected):
    assert parts(text) == expected
    assert len(split(text)) == expected


def test_the_cart_text_is_67_units_and_79_with_the_way_out():
    assert units(CART) == 67
    assert units(CART + " Отказ: СТОП") == 79


@pytest.mark.parametrize("char", list("«»“”—…№₸₽`çЯқ\u00a0\t"))
def test_one_foreign_character_makes_the_whole_text_ucs2(char):
    assert encoding("Hello" + char) is Encoding.UCS2


@pytest.mark.parametrize("char", list("@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà\n\r\f^{}\\[~]|€"))
def test_every_character_of_gsm_stays_gsm(char):
    assert encoding("Hello" + char) is Encoding.GSM7
    assert units(char) == (2 if char in EXTENSION else 1)


def test_a_letter_in_two_pieces_is_composed_first():
    assert encoding("e\u0301") is Encoding.GSM7  # é
    assert units("и\u0306") == 1  # й


@given(texts)
def test_parts_are_as_many_as_the_cuts_and_lose_nothing(text):
    cuts = split(text)
    assert parts(text) == len(cuts)
    assert "".join(cuts) == unicodedata.normalize("NFC", text)


@given(texts)
def test_no_part_is_too_long_and_no_cut_could_come_later(text):
    how = encoding(text)
    single, several = SIZES[how]
    cuts = split(text)
    # A part of a UCS-2 text may be plain Latin by itself, so measure in the text's own encoding.
    size = (lambda cut: len(cut.encode("utf-16-le", "surrogatepass")) // 2) if how is Encoding.UCS2 else units
    if len(cuts) == 1:
        assert size(cuts[0]) <= single
        return
    assert all(size(cut) <= several for cut in cuts)
    for cut, following in pairwise(cuts):
        assert size(cut) + size(following[0]) > several
