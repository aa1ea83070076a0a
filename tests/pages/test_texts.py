"""Every text of the pages has its Russian, and there is no Russian that no page says."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = re.compile(r"%\(\w+\)")
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def messages():
    spec = importlib.util.spec_from_file_location("messages", ROOT / "frontend" / "messages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_text_has_its_russian_once():
    told = messages()
    said, known = told.said(), list(told.known())
    have = [told.key_of(message) for _, message in known]
    assert sorted(set(said) - set(have)) == [], "run `make messages` and fill in what it names"
    assert sorted(set(have) - set(said)) == [], "run `make messages`: nobody says these any more"
    assert len(have) == len(set(have))
    assert not [key for key in said if CYRILLIC.search(key[1])]
    for _, message in known:
        forms = [message.string] if isinstance(message.id, str) else list(message.string)
        assert all(forms) and len(forms) == (1 if isinstance(message.id, str) else 3), message.id
        english = message.id if isinstance(message.id, str) else message.id[1]
        assert all(set(PLACES.findall(form)) == set(PLACES.findall(english)) for form in forms), message.id


def test_plurals_and_times_are_russian():
    from kaskad.web.pages.i18n import words
    from kaskad.web.pages.look import Look

    russian = words("ru")
    told = [
        russian.ngettext("%(num)s contact", "%(num)s contacts", n) % {"num": n} for n in (1, 3, 11, 22, 105)
    ]
    assert told == ["1 контакт", "3 контакта", "11 контактов", "22 контакта", "105 контактов"]
    look, at = Look("ru", "/", zone="Asia/Almaty"), 1_795_000_000_000
    assert look.ago(at - 180_000, at) == "3 минуты назад" and look.ago(at + 7_200_000, at) == "через 2 часа"
    assert look.day(at).startswith("18 нояб. 2026") and look.clock(at).startswith("16:06:40")
    assert look.span(21_600_000) == "6 часов"
