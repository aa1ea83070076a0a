"""Keywords: stop and start, however they are typed (3.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaskad.domain.keywords import is_bare_stop, is_start, is_stop

KEYWORDS = (
    *("STOP", "QUIT", "END", "REVOKE", "OPT OUT", "CANCEL", "UNSUBSCRIBE"),
    *("СТОП", "ОТПИСКА", "ОТПИСАТЬСЯ", "ОТКАЗ", "ОТМЕНА", "ТОҚТАТУ", "БАС ТАРТУ"),
)
noise = st.text(alphabet=" .,!?-_\"'«»()\n\t\u00a0\u200b*/", max_size=3)


@pytest.mark.parametrize("word", KEYWORDS)
def test_every_keyword_of_the_rules_is_a_stop(word):
    assert is_stop(word) and is_stop(word.lower()) and is_stop(word.title())


@given(st.sampled_from(KEYWORDS), st.data())
def test_case_spaces_and_punctuation_do_not_hide_a_stop(word, data):
    typed = "".join(
        data.draw(noise) + (letter.upper() if data.draw(st.booleans()) else letter.lower()) for letter in word
    )
    assert is_stop(typed + data.draw(noise))


LATIN = str.maketrans("АВЕКМНОРСТУХ", "ABEKMHOPCTYX")
CYRILLIC = str.maketrans("ABCEHIKMOPSTXY", "АВСЕНІКМОРЅТХУ")
GREEK = str.maketrans("ABEHIKMNOPTXY", "ΑΒΕΗΙΚΜΝΟΡΤΧΥ")
DRAWN = str.maketrans("aceopxyiunb", "асеорхуіипь")  # small letters
DRAWN_LATIN = str.maketrans("аеорсухіипькмтн", "aeopcyxiunbkmth")
TYPED = {  # every way to type a keyword, of which each must be one
    "as it is": lambda word: word,
    "small": str.lower,
    "title": str.title,
    "letters apart": " ".join,
    "points": ".".join,
    "hyphen for the space": lambda word: word.replace(" ", "-"),
    "no space": lambda word: word.replace(" ", ""),
    "quoted": lambda word: f" «{word}»!",
    "with a slash": lambda word: f"/{word}",
    "nought for o": lambda word: word.translate(str.maketrans("OО", "00")),
    "one for i": lambda word: word.translate(str.maketrans("IL", "11")),
    "ё": lambda word: word.replace("Е", "Ё"),
    "no break": lambda word: word.replace(" ", "\u00a0"),
    "Latin": lambda word: word.translate(LATIN),
    "Cyrillic": lambda word: word.translate(CYRILLIC),
    "Greek": lambda word: word.translate(GREEK),
    "Cyrillic, small": lambda word: word.lower().translate(DRAWN),
    "Latin, small": lambda word: word.lower().translate(DRAWN_LATIN),
    "full width": lambda word: "".join(
        chr(ord(letter) + 0xFEE0) if "A" <= letter <= "Z" else letter for letter in word
    ),
}


def test_the_table_of_keywords_and_ways_to_type_them_has_no_hole():
    missed = [
        (word, way, typed(word))
        for word in (*KEYWORDS, "STOPALL", "ОТПИШИТЕ")
        for way, typed in TYPED.items()
        if not is_stop(typed(word)) or not is_bare_stop(typed(word))
    ]
    assert missed == []
    assert is_stop("CTOP"), "СТОП without a Russian keyboard"


@given(st.sampled_from(KEYWORDS), st.data())
def test_latin_look_alikes_do_not_hide_a_stop(word, data):
    assert is_stop(
        "".join(letter.translate(LATIN) if data.draw(st.booleans()) else letter for letter in word)
    )


@pytest.mark.parametrize(
    "text",
    [
        "Stop!!!",
        "STOP please",
        "Please stop",
        "ST0P",
        "ｓｔｏｐ",
        "СТОП, больше не пишите",
        "Стоп пожалуйста",
        "стоп, хватит уже",
        "Unsubscribe from everything",
        "Не пишите мне больше",
        "отпишите меня от рассылки",
        "Don't text me again",
        "please remove me from your list",
        "токтату",
        "/stop",
        "хочу отписаться",
    ],
)
def test_what_a_reasonable_person_reads_as_stop_is_one(text):
    assert is_stop(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "please",
        "да",
        "Спасибо!",
        "Отмена записи на вторник возможна?",
        "can you cancel my order 17",
        "Когда конец акции?",
        "weekend",
        "стопка книг",
        "non-stop",
        "Отказов не было",
        "end of day works for me",
        "👍",
    ],
)
def test_an_ordinary_answer_is_no_stop(text):
    assert not is_stop(text)


@pytest.mark.parametrize("text", ["START", "start!", "Старт", "СТAPТ", " unstop "])
def test_start_takes_a_stop_back(text):
    assert is_start(text) and not is_stop(text)


@pytest.mark.parametrize("text", ["", "стоп", "start stop", "когда старт?", "restart"])
def test_anything_else_is_no_start(text):
    assert not is_start(text)


@given(st.text())
def test_any_text_can_be_read(text):
    assert not (is_stop(text) and is_start(text))


@pytest.mark.parametrize("text", ["STOP", "Стоп!", "stop, please", "Бас тарту"])
def test_the_bare_word_is_told_from_a_sentence(text: str) -> None:
    assert is_bare_stop(text)
    assert not is_bare_stop(text + " sending me these") and not is_bare_stop("")
