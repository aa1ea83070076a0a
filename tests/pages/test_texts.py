"""Every text of the pages has its Russian, and there is no Russian that no page says."""

import ast
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


def test_catalogues_are_kept_as_make_messages_writes_them():
    other = [path.name for path, text in messages().renewed().items() if path.read_bytes() != text]
    assert other == [], "run `make messages`: its next run would change these too"


def test_no_share_in_russian_breaks_its_text_or_shows_two_signs():
    class Anything(dict):
        def __missing__(self, place):
            return 0

    for _, message in messages().known():
        english = message.id if isinstance(message.id, str) else message.id[1]
        forms = [message.string] if isinstance(message.id, str) else list(message.string)
        if PLACES.search(english) or "%%" in english:
            assert all(form % Anything() for form in forms), message.id
        elif "%" not in english:  # templates format it, the rest of the program says it as it stands
            assert not any("%" in re.sub("{%|%}", "", form) for form in forms), message.id


def test_what_is_worded_stands_where_its_russian_is_looked_for():
    told, source = messages(), ROOT / "src" / "kaskad"
    looked_in = {*told.BELOW, "web/pages", "web/soon.py"}
    files = {
        path for path in source.rglob("*.py") if re.search(r"\bworded\(\s*[\"']", path.read_text("utf-8"))
    }
    said = {path.relative_to(source).as_posix() for path in files}
    assert [name for name in sorted(said) if not any(name.startswith(each) for each in looked_in)] == []


def test_what_a_mail_server_answered_is_told_in_russian():
    from kaskad.web.pages.look import Look

    look = Look("ru", "/", zone="UTC")
    assert look.coded("the mail server answered 450") == "почтовый сервер ответил 450"


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


ERRORS = {
    "Invalid", "NotFound", "Conflict", "InFlight", "BadAddress", "BadMoney", "BadSubscription", "BadTemplate",
    "ConditionError", "EditError", "RenderError", "Unfit", "Problem", "_UnfinishedError",
}  # fmt: skip
TOLD = {
    "actions": {*ERRORS, "Unavailable", "KaskadError"}, "domain": ERRORS, "engine": ERRORS, "store": ERRORS,
    "web/pages": ERRORS,
}  # fmt: skip
SAID = {"worded", "wording", "_", "N_", "ngettext", "text"}  # the last is a finding's own words
PLAIN = {  # file and error -> why its words are never shown on a page
    ("store/postgres.py", "Conflict"): "of the database; what is unique has words of its own before",
    ("store/backup.py", "Conflict"): "of `kaskad db backup`, which no page has",
    ("store/vault.py", "Invalid"): "of the settings file, before there is a page",
    ("store/backup.py", "NotFound"): "of `kaskad db restore`, which no page has",
}


def plain_words(node):
    """Yield the texts in an error's arguments that nobody can say in another language."""
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in SAID or called in ("join", "replace", "removeprefix", "rstrip"):
            return
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        words = ast.unparse(node)
        if re.search(r"[A-Za-z]{2,}[,;:]? +[A-Za-z{(]", words):
            yield words
        return
    for child in ast.iter_child_nodes(node):
        yield from plain_words(child)


def test_errors_that_pages_show_are_worded():
    found = []
    for room, errors in TOLD.items():
        for path in sorted((ROOT / "src" / "kaskad" / room).rglob("*.py")):
            name = str(path.relative_to(ROOT / "src" / "kaskad"))
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if called in errors and (name, called) not in PLAIN:
                    found += [
                        f"{name}:{node.lineno}: {text}" for each in node.args for text in plain_words(each)
                    ]
    assert found == [], "make it by `worded`, so that a Russian page says it in Russian"


def test_what_was_kept_as_a_sentence_is_said_in_russian():
    from kaskad.domain.worded import worded
    from kaskad.web.pages.look import Look

    russian = Look("ru", "/")
    for kept, said in (
        ("id 'A-1' is already in row 7", "id «A-1» уже есть в строке\u00a07"),
        ("'x'; left out", "'x'; пропущено"),
        ("telegram has nothing to say", "Telegram: нечего сказать"),
        ("what nobody has worded", "what nobody has worded"),
    ):
        assert russian.told(kept) == said and Look("en", "/").told(kept) == kept
    wrong = worded("%(source)s: %(error)s", source="prices.csv", error=worded("there is no column `price`"))
    assert russian.told(wrong) == "prices.csv: нет столбца `price`" and str(wrong).endswith("column `price`")
    # A name that somebody has given is no text of ours, even where it is a word of the pages.
    assert "«Contacts»" in russian.told(worded("There is a list %(name)r already.", name="Contacts"))
    for text in (
        "no answer to 3 calls",
        "last look: no_consent",
        "the sending process ended before the answer",
    ):
        assert CYRILLIC.search(russian.coded(text)) and not re.search("[a-z]", russian.coded(text)), text
    assert russian.coded("550 5.1.1 no such user") == "550 5.1.1 no such user"


def test_times_are_told_by_the_installations_clock_and_hours_in_russian():
    from kaskad.web.pages.look import Look
    from kaskad.web.pages.touches import detail_of

    now = 1_795_698_000_000  # 26 November 2026, 13:00 UTC; the wall's clock is elsewhere
    look = Look("ru", "/", zone="Asia/Almaty", now=now)
    assert look.ago(now - 3_600_000) == "1 час назад" and look.ago(now + 86_400_000) == "через 1 день"
    assert (
        detail_of("09:00-21:00 or 22:00-23:00 on working days of KZ, in Asia/Almaty", look)
        == "09:00-21:00, 22:00-23:00 по рабочим дням (KZ) · Asia/Almaty"
    )
    assert look.clock(now) == "18:00:00" and Look("ru", "/").clock(now) == "13:00:00 UTC"


def test_why_a_person_waits_or_is_passed_over_is_told_in_the_readers_language():
    from kaskad.planning.simulated import Told as Moment
    from kaskad.web.pages.look import Look
    from kaskad.web.pages.simulate import _why

    look = Look("ru", "/")
    hours = "09:00-21:00 on working days, in Asia/Almaty"
    assert _why(look, Moment(0, "waits", "chat", hours)) == "09:00-21:00 по рабочим дням · Asia/Almaty"
    both = "09:00-21:00, in each of 2 possible zones (Asia/Almaty, Europe/Moscow)"
    assert "possible" not in _why(look, Moment(0, "waits", "chat", both))
    assert "Asia/Almaty, Europe/Moscow" in _why(look, Moment(0, "skipped", "chat", "no_address " + both))
