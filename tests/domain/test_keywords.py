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
