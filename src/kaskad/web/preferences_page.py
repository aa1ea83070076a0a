"""The page behind the unsubscribe link: what comes now, by topic and by channel, and how to change it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape

from starlette.responses import HTMLResponse

from kaskad.engine.preferences import RESTS, Choice, Preferences
from kaskad.web.person_page import NAMES, head, said, shown

SAVE = "save"
_ORDER = ("ru", "kk", "en")

TEXTS: dict[str, Mapping[str, str]] = {
    "ru": {
        "title": "Ваши сообщения",
        "who": "Здесь вы решаете, что присылать на <b>{address}</b>.",
        "anybody": "Здесь вы решаете, что вам присылать.",
        "topics": "О чём писать", "channels": "Как писать", "rest": "Сделать перерыв",
        "rest_hint": "Пока длится перерыв, приходит только то, что касается ваших заказов и записей.",
        "resting": "Перерыв до {date}.", "none": "Без перерыва", "keep": "Оставить", "end": "Закончить",
        "days": "{days} дней", "language": "Язык сообщений", "privacy": "Приватность",
        "tracking": "Отмечать, открываю ли я письма",
        "tracking_hint": "Так мы реже пишем тем, кому неинтересно.",
        "save": "Сохранить", "saved": "Сохранено.", "saved_more": "Новые настройки уже действуют.",
        "leave": "Отказаться сразу",
        "topic": "Отписаться: {topic}", "advertising": "Не присылать рекламу",
        "all": "Отписаться от всего",
        "always": "О ваших заказах, записях и платежах сообщим в любом случае.",
        "phone": "SMS и звонки", "email": "Электронная почта", "push": "Уведомления в браузере и приложении",
        "no_topics": "Тем пока нет.", "trouble": "Не получилось сохранить.",
        "trouble_more": "Попробуйте, пожалуйста, ещё раз через минуту.",
    },
    "kk": {
        "title": "Сізге келетін хабарламалар",
        "who": "<b>{address}</b> мекенжайына не жіберілетінін осында өзіңіз таңдайсыз.",
        "anybody": "Сізге не жіберілетінін осында өзіңіз таңдайсыз.",
        "topics": "Не туралы жазу", "channels": "Қалай жазу", "rest": "Үзіліс жасау",
        "rest_hint": "Үзіліс кезінде тек тапсырыстарыңыз бен жазылуларыңызға қатысты хабарлар келеді.",
        "resting": "Үзіліс {date} дейін.", "none": "Үзіліссіз", "keep": "Қалдыру", "end": "Аяқтау",
        "days": "{days} күн", "language": "Хабарлама тілі", "privacy": "Құпиялылық",
        "tracking": "Хаттарды ашқанымды белгілеу",
        "tracking_hint": "Осылайша қызықпайтын адамдарға сирек жазамыз.",
        "save": "Сақтау", "saved": "Сақталды.", "saved_more": "Жаңа баптаулар қазірден бастап қолданылады.",
        "leave": "Бірден бас тарту",
        "topic": "Жазылымнан шығу: {topic}", "advertising": "Жарнама жібермеу",
        "all": "Барлығынан бас тарту",
        "always": "Тапсырыстарыңыз, жазылуларыңыз және төлемдеріңіз туралы кез келген жағдайда хабарлаймыз.",
        "phone": "SMS және қоңыраулар", "email": "Электрондық пошта",
        "push": "Браузер мен қосымшадағы хабарландырулар",
        "no_topics": "Әзірге тақырып жоқ.", "trouble": "Сақтау мүмкін болмады.",
        "trouble_more": "Бір минуттан кейін қайталап көріңіз.",
    },
    "en": {
        "title": "Your messages",
        "who": "You decide here what comes to <b>{address}</b>.",
        "anybody": "You decide here what comes to you.",
        "topics": "What about", "channels": "How", "rest": "Take a break",
        "rest_hint": "While it lasts, only what concerns your orders and bookings comes.",
        "resting": "A break until {date}.", "none": "No break", "keep": "Keep it", "end": "End it",
        "days": "{days} days", "language": "Language of messages", "privacy": "Privacy",
        "tracking": "Note whether I open emails",
        "tracking_hint": "It helps us write less to those who do not care.",
        "save": "Save", "saved": "Saved.", "saved_more": "Your choice holds from now on.",
        "leave": "Leave at once",
        "topic": "Unsubscribe: {topic}", "advertising": "No advertising",
        "all": "Unsubscribe from everything",
        "always": "About your orders, bookings and payments we tell you in any case.",
        "phone": "SMS and calls", "email": "Email", "push": "Notifications in browser and app",
        "no_topics": "There are no topics yet.", "trouble": "It could not be saved.",
        "trouble_more": "Please try again in a minute.",
    },
}  # fmt: skip
_LEFT = {
    "topic": {
        "ru": ("Вы отписаны.", "Такие сообщения больше не придут."),
        "kk": ("Жазылымнан шықтыңыз.", "Мұндай хабарламалар енді келмейді."),
        "en": ("You are unsubscribed.", "Messages like this have stopped."),
    },
    "channel": {
        "ru": ("Вы отписаны.", "По этому каналу сообщений больше не будет."),
        "kk": ("Жазылымнан шықтыңыз.", "Бұл арнамен хабарлама енді келмейді."),
        "en": ("You are unsubscribed.", "There will be no more messages on this channel."),
    },
    "advertising": {
        "ru": (
            "Рекламы больше не будет.",
            "Сообщения о ваших заказах и записях будут приходить, как раньше.",
        ),
        "kk": ("Жарнама енді келмейді.", "Тапсырыстарыңыз туралы хабарлар бұрынғыдай келеді."),
        "en": (
            "There will be no more advertising.",
            "Messages about your orders and bookings come as before.",
        ),
    },
    "tracking": {
        "ru": ("Больше не отслеживаем.", "Мы не узнаём, открываете ли вы письма. Подписка не изменилась."),
        "kk": ("Енді бақыламаймыз.", "Хаттарды ашқаныңызды білмейміз. Жазылым өзгерген жоқ."),
        "en": (
            "No longer tracked.",
            "We do not see whether you open emails. Your subscription is as it was.",
        ),
    },
    "all": {
        "ru": ("Вы отписаны от всего.", "Рассылок от нас больше не будет."),
        "kk": ("Барлығынан бас тарттыңыз.", "Бізден таратылым енді келмейді."),
        "en": ("You are unsubscribed from everything.", "There will be no more mailings from us."),
    },
}
_CHATS = {
    "telegram": "Telegram", "whatsapp": "WhatsApp", "viber": "Viber", "vk": "VK", "max": "MAX",
    "facebook_messenger": "Messenger", "instagram": "Instagram",
}  # fmt: skip


def preferences_page(
    language: str, now: Preferences, *, left: str = "", saved: bool = False, trouble: bool = False
) -> HTMLResponse:
    """Return the page; `left` is the scope of a refusal, `saved` a choice, that has just been kept."""
    words = TEXTS[language]
    told = said(*_LEFT[left][language]) if left else ""
    told += said(words["saved"], words["saved_more"]) if saved else ""
    told += said(words["trouble"], words["trouble_more"], bad=True) if trouble else ""
    who = words["who"].format(address=escape(now.address)) if now.address else words["anybody"]
    body = head(words["title"], who) + told + _own(language, now) + _choice(language, now)
    body += _leaving(language)
    return shown(language, words["title"], body, 503 if trouble else 200)


def read_choice(fields: Mapping[str, list[str]], now: Preferences) -> Choice:
    """Return what the page's form says; what it does not say stays as it is."""
    rest = fields.get("rest", [""])[-1]
    language = fields.get("language", [""])[-1]
    return Choice(
        frozenset(fields.get("topic", ())), frozenset(fields.get("channel", ())),
        int(rest) if rest in ("0", *map(str, RESTS)) else None,
        language if language in NAMES else now.language, "tracking" in fields,
    )  # fmt: skip


def _choice(language: str, now: Preferences) -> str:
    words = TEXTS[language]
    topics = "".join(
        _switch("topic", each.name, title_of(each.name, each.titles, language), each.on)
        for each in now.topics
    )
    channels = "".join(
        _switch("channel", word, words.get(word) or _CHATS.get(word, word), on)
        for word, on in now.channels.items()
    )
    tracking = _switch("tracking", "yes", words["tracking"], now.tracking, words["tracking_hint"])
    parts = [
        _fieldset(words["topics"], topics or f'<p class="hint">{words["no_topics"]}</p>'),
        _fieldset(words["channels"], channels) if channels else "",
        _rest(language, now),
        _language(language, now),
        _fieldset(words["privacy"], tracking),
        f'<p class="save"><button name="act" value="{SAVE}">{words["save"]}</button></p>',
    ]
    return f'<form method="post">{"".join(parts)}</form>\n'


def _rest(language: str, now: Preferences) -> str:
    words = TEXTS[language]
    hint = words["rest_hint"]
    choices: list[tuple[str, str, bool]] = [("0", words["none"], True)]
    if now.rest_until is not None:
        hint = f"{words['resting'].format(date=_date(now.rest_until))} {hint}"
        choices = [("keep", words["keep"], True), ("0", words["end"], False)]
    choices += [(str(days), words["days"].format(days=days), False) for days in RESTS]
    return _fieldset(words["rest"], f'<p class="hint">{hint}</p>{_pick("rest", choices, "four")}')


def _language(language: str, now: Preferences) -> str:
    current = now.language if now.language in NAMES else language
    choices = [(each, NAMES[each], each == current) for each in _ORDER]
    return _fieldset(TEXTS[language]["language"], _pick("language", choices, "three"))


def _own(language: str, now: Preferences) -> str:
    """Return the button that most came for: it leaves the topic of the message that led here."""
    own = next((each for each in now.topics if each.name == now.own_topic and each.on), None)
    if own is None:
        return ""
    title = title_of(own.name, own.titles, language)
    return (
        '<form method="post" class="card"><button class="quiet" name="scope" value="topic">'
        f"{escape(TEXTS[language]['topic'].format(topic=title))}</button></form>\n"
    )


def _leaving(language: str) -> str:
    words = TEXTS[language]
    buttons = (
        f'<button class="quiet" name="scope" value="advertising">{words["advertising"]}</button>'
        f'<button class="leave" name="scope" value="all">{words["all"]}</button>'
    )
    return (
        '<form method="post" class="card" aria-labelledby="leave">'
        f'<h2 id="leave" class="h">{words["leave"]}</h2>'
        f'<p class="hint">{words["always"]}</p><div class="stack">{buttons}</div></form>\n'
    )


def _fieldset(legend: str, inner: str) -> str:
    return f'<fieldset class="card"><legend>{legend}</legend><div>{inner}</div></fieldset>\n'


def _switch(name: str, value: str, title: str, on: bool, hint: str = "") -> str:
    small = f"<small>{escape(hint)}</small>" if hint else ""
    return (
        f'<label class="row"><span>{escape(title)}{small}</span><input type="checkbox" class="switch" '
        f'role="switch" name="{name}" value="{escape(value)}"{" checked" * on}></label>'
    )


def _pick(name: str, choices: Iterable[tuple[str, str, bool]], columns: str) -> str:
    labels = "".join(
        f'<label><input type="radio" name="{name}" value="{value}"{" checked" * on}>{escape(text)}</label>'
        for value, text, on in choices
    )
    return f'<div class="pick {columns}">{labels}</div>'


def title_of(name: str, titles: Mapping[str, str], language: str) -> str:
    """Return what a topic is called in that language, else in another, else by its own name."""
    known = titles.get(language) or next((titles[each] for each in _ORDER if each in titles), "")
    return known or name.replace("-", " ").replace("_", " ").capitalize()


def _date(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%d.%m.%Y")
