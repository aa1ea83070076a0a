"""The pages around a sign-up: the form itself, what was asked, the code, the button that confirms."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

from kaskad.domain.form import CODE_DIGITS, Form, version_of
from kaskad.web.person_page import head, said, shown

_NOTHING: Mapping[str, str] = {}
TEXTS: dict[str, Mapping[str, str]] = {
    "ru": {
        "form": "Подписка", "form_text": "Мы пришлём письмо или код, чтобы вы подтвердили подписку.",
        "email": "Электронная почта", "phone": "Телефон", "or": "или", "name": "Имя, если хотите",
        "button": "Подписаться",
        "asked": "Проверьте почту",
        "asked_text": "Мы отправили письмо со ссылкой. Подписка начнётся, когда вы по ней подтвердите.",
        "code": "Введите код",
        "code_text": "Мы отправили SMS с кодом. Подписка начнётся, когда вы его введёте.",
        "code_label": "Код из SMS", "confirm": "Подтвердить",
        "ask": "Подтвердите подписку", "ask_text": "Вот с чем вы соглашаетесь:",
        "ask_brand": "Вот с чем вы соглашаетесь ({brand}):",
        "ignore": "Если вы ничего не просили, закройте страницу: без кнопки ничего не произойдёт.",
        "done": "Готово, вы подписаны",
        "done_text": "Отказаться можно в любой момент: ссылка есть в каждом письме.",
        "over": "Ссылка больше не действует",
        "over_text": "Она действует семь дней, код — час. Подпишитесь ещё раз, и мы пришлём новые.",
        "wrong": "Это другой код.",
        "wrong_text": "Посмотрите в последнем SMS и попробуйте ещё раз. Код действует час и на пять "
        "попыток: за новым подпишитесь ещё раз.",
        "422": "Что-то заполнено не так.",
        "422_text": "Проверьте адрес или номер и отметьте согласие.",
        "429": "Слишком много попыток.", "429_text": "Попробуйте через час.",
        "503": "Не получилось сохранить.", "503_text": "Попробуйте ещё раз через минуту.",
    },
    "kk": {
        "form": "Жазылу", "form_text": "Жазылымды растауыңыз үшін хат немесе код жібереміз.",
        "email": "Электрондық пошта", "phone": "Телефон", "or": "немесе", "name": "Атыңыз, қаласаңыз",
        "button": "Жазылу",
        "asked": "Поштаңызды тексеріңіз",
        "asked_text": "Сілтемесі бар хат жібердік. Сол арқылы растағаннан кейін жазылым басталады.",
        "code": "Кодты енгізіңіз",
        "code_text": "Коды бар SMS жібердік. Оны енгізген соң жазылым басталады.",
        "code_label": "SMS-тегі код", "confirm": "Растау",
        "ask": "Жазылымды растаңыз", "ask_text": "Сіз мынаған келісесіз:",
        "ask_brand": "Сіз мынаған келісесіз ({brand}):",
        "ignore": "Ештеңе сұрамаған болсаңыз, бетті жабыңыз: түймесіз ештеңе болмайды.",
        "done": "Дайын, сіз жазылдыңыз",
        "done_text": "Кез келген уақытта бас тартуға болады: сілтеме әр хатта бар.",
        "over": "Сілтеме енді жарамсыз",
        "over_text": "Ол жеті күн, код бір сағат жарамды. Қайта жазылыңыз, жаңасын жібереміз.",
        "wrong": "Бұл басқа код.",
        "wrong_text": "Соңғы SMS-ті қарап, қайталап көріңіз. Код бір сағатқа және бес әрекетке жарамды: "
        "жаңасын алу үшін қайта жазылыңыз.",
        "422": "Бірдеңе дұрыс толтырылмаған.",
        "422_text": "Мекенжайды не нөмірді тексеріп, келісімді белгілеңіз.",
        "429": "Тым көп әрекет жасалды.", "429_text": "Бір сағаттан кейін қайталаңыз.",
        "503": "Сақтау мүмкін болмады.", "503_text": "Бір минуттан кейін қайталап көріңіз.",
    },
    "en": {
        "form": "Sign up", "form_text": "We will send an email or a code, so that you confirm it.",
        "email": "Email", "phone": "Phone", "or": "or", "name": "Name, if you like",
        "button": "Sign up",
        "asked": "Look into your mailbox",
        "asked_text": "We have sent an email with a link. It begins when you confirm there.",
        "code": "Enter the code",
        "code_text": "We have sent a text message with a code. It begins when you enter it.",
        "code_label": "Code of the text message", "confirm": "Confirm",
        "ask": "Confirm your subscription", "ask_text": "This is what you agree to:",
        "ask_brand": "This is what you agree to ({brand}):",
        "ignore": "If you have asked for nothing, close this page: nothing happens without the button.",
        "done": "Done, you are subscribed",
        "done_text": "You can stop at any time: every email has the link.",
        "over": "This link is over",
        "over_text": "It is good for seven days, a code for an hour. Sign up again, and we send new ones.",
        "wrong": "That is another code.",
        "wrong_text": "Look at the last text message and try again. A code is good for an hour and five "
        "tries: sign up again for a new one.",
        "422": "Something is not filled in right.",
        "422_text": "Check the address or number, and tick the box.",
        "429": "Too many attempts.", "429_text": "Try again in an hour.",
        "503": "It could not be saved.", "503_text": "Try again in a minute.",
    },
}  # fmt: skip


def form_page(
    language: str, form: Form, *, trouble: int = 0, kept: Mapping[str, str] = _NOTHING
) -> HTMLResponse:
    """Return the form on a page of its own; `trouble` is the status of the last try, where it failed."""
    words, consent = TEXTS[language], form.text(language)
    told = said(words[str(trouble)], words[f"{trouble}_text"], bad=True) if trouble else ""
    both = form.takes_email and form.takes_phone
    fields = ""
    if form.takes_email:
        fields += _field(words["email"], "email", "email", kept, needed=not both)
    if form.takes_phone:
        label = f"{words['or']} {words['phone'].lower()}" if both else words["phone"]
        fields += _field(label, "phone", "tel", kept, needed=not both)
    fields += _field(words["name"], "name", "text", kept, needed=False)
    body = head(words["form"], escape(words["form_text"])) + told + (
        f'<form method="post" class="card" action="/f/{form.name}">'
        f'<input type="hidden" name="language" value="{consent.language}">'
        f'<input type="hidden" name="version" value="{version_of(consent.text)}">'
        f'<div hidden><label>{form.honeypot} <input name="{form.honeypot}" tabindex="-1" autocomplete="off">'
        f"</label></div>{fields}"
        f'<label class="tick"><input type="checkbox" name="agreed" value="yes" required>'
        f'<span lang="{consent.language}">{escape(consent.text)}</span></label>'
        f'<div class="stack"><button>{words["button"]}</button></div></form>\n'
    )  # fmt: skip
    return shown(language, words["form"], body, trouble or 200, goes_to=_origin(form.redirect))


def asked_page(language: str) -> HTMLResponse:
    """Return the answer to a form that asks an e-mail address to confirm."""
    words = TEXTS[language]
    return shown(language, words["asked"], head(words["asked"], escape(words["asked_text"])))


def code_page(language: str, form: Form, phone: str, *, wrong: bool = False) -> HTMLResponse:
    """Return the answer to a form that asks a phone: it takes the code."""
    words = TEXTS[language]
    told = said(words["wrong"], words["wrong_text"], bad=True) if wrong else ""
    body = head(words["code"], escape(words["code_text"])) + told + (
        f'<form method="post" class="card" action="/f/{form.name}/code">'
        f'<input type="hidden" name="language" value="{language}">'
        f'<input type="hidden" name="phone" value="{escape(phone)}">'
        f'<label class="field code">{words["code_label"]}<input name="code" inputmode="numeric" '
        f'autocomplete="one-time-code" pattern="[0-9 ]*" maxlength="{CODE_DIGITS + 2}" required></label>'
        f'<div class="stack"><button>{words["confirm"]}</button></div></form>\n'
    )  # fmt: skip
    return shown(language, words["code"], body, 422 if wrong else 200)


def confirm_page(language: str, text: str, brand: str) -> HTMLResponse:
    """Return the page whose button confirms, with the very words that are agreed to."""
    words = TEXTS[language]
    intro = words["ask_brand"].format(brand=escape(brand)) if brand else words["ask_text"]
    body = head(words["ask"], intro) + (
        f'<form method="post" class="card"><p class="words">{escape(text)}</p>'
        f'<div class="stack"><button name="act" value="confirm">{words["confirm"]}</button>'
        f'<p class="hint">{words["ignore"]}</p></div></form>\n'
    )
    return shown(language, words["ask"], body)


def done_page(language: str) -> HTMLResponse:
    """Return what is said to who has confirmed, the first time and every other."""
    words = TEXTS[language]
    return shown(language, words["done"], head(words["done"], escape(words["done_text"])))


def over_page(language: str) -> HTMLResponse:
    """Return what is said where there is nothing to confirm."""
    words = TEXTS[language]
    return shown(language, words["over"], head(words["over"], escape(words["over_text"])), 410)


def _field(label: str, name: str, kind: str, kept: Mapping[str, str], *, needed: bool) -> str:
    filled = "tel" if kind == "tel" else name
    value = f' value="{escape(kept[name])}"' if kept.get(name) else ""
    return (
        f'<label class="field">{label}<input type="{kind}" name="{name}" autocomplete="{filled}"{value}'
        f"{' required' * needed}></label>"
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if url else ""
