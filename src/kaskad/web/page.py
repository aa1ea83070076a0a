"""The small pages behind the links of a message: Russian or English, light or dark, no script."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  font: 1.0625rem/1.5 system-ui, sans-serif; color: light-dark(#1d2430, #e6e9ef);
  background: light-dark(#f3f5f8, #12161d) }
main { width: min(28rem, 100%); padding: 2.25rem 2rem; border-radius: 1rem; text-align: center;
  background: light-dark(#fff, #1b212b); box-shadow: 0 1px 2px #0002, 0 12px 32px #0001 }
h1 { margin: 0 0 .5rem; font-size: 1.375rem; line-height: 1.25; text-wrap: balance }
p { margin: 0; color: light-dark(#556072, #a3adbd); text-wrap: pretty }
form { margin-top: 1.5rem; display: grid; gap: .75rem }
button { padding: .75rem 1rem; border: 0; border-radius: .625rem; font: inherit; font-weight: 600;
  color: #fff; background: #2559d0; cursor: pointer }
button.quiet { color: inherit; background: light-dark(#e8ecf2, #2a3240) }
button:hover { filter: brightness(1.08) }
button:focus-visible { outline: 3px solid light-dark(#8fb0ff, #5d86ea); outline-offset: 2px }
""".strip()

_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Vary": "Accept-Language",
}

TEXTS = {
    "missing": {
        "ru": ("Страница не найдена", "Ссылка устарела или скопирована не целиком."),
        "en": ("Page not found", "The link has expired or was not copied completely."),
    },
    "ask": {
        "ru": ("Отписаться от рассылки?", "Нажмите кнопку, и такие сообщения больше не будут приходить."),
        "en": ("Unsubscribe?", "Press the button and messages like this will stop."),
    },
    "done": {
        "ru": ("Вы отписаны", "Такие сообщения больше не придут. Спасибо, что сказали."),
        "en": ("You are unsubscribed", "Messages like this have stopped. Thank you for telling us."),
    },
    "done_channel": {
        "ru": ("Вы отписаны", "По этому каналу сообщений больше не будет. Спасибо, что сказали."),
        "en": ("You are unsubscribed", "There will be no more messages on this channel. Thank you."),
    },
    "done_advertising": {
        "ru": ("Рекламы больше не будет", "Сообщения о ваших заказах и записях будут приходить, как раньше."),
        "en": (
            "There will be no more advertising",
            "Messages about your orders and bookings come as before.",
        ),
    },
    "done_tracking": {
        "ru": ("Больше не отслеживаем", "Мы не узнаём, открываете ли вы письма. Подписка не изменилась."),
        "en": (
            "No longer tracked",
            "We do not see whether you open emails. Your subscription is as it was.",
        ),
    },
    "done_all": {
        "ru": ("Вы отписаны от всего", "Рассылок от нас больше не будет."),
        "en": ("You are unsubscribed from everything", "There will be no more mailings from us."),
    },
    "tested": {
        "ru": ("Это проверочное сообщение", "Его ссылка для отписки никого не отписывает."),
        "en": ("This was a test message", "Its link to unsubscribe changes nothing for anybody."),
    },
    "trouble": {
        "ru": ("Не получилось сохранить", "Попробуйте, пожалуйста, ещё раз через минуту."),
        "en": ("It could not be saved", "Please try again in a minute."),
    },
}
BUTTONS = {
    "topic": {"ru": "Отписаться", "en": "Unsubscribe"},
    "channel": {"ru": "Не писать по этому каналу", "en": "No messages on this channel"},
    "advertising": {"ru": "Не присылать рекламу", "en": "No advertising"},
    "all": {"ru": "Отписаться от всех рассылок", "en": "Unsubscribe from everything"},
    "tracking": {
        "ru": "Не отслеживать, открываю ли я письма",
        "en": "Do not track whether I open emails",
    },
}


def page(request: Request, name: str, buttons: tuple[str, ...] = (), status: int = 200) -> HTMLResponse:
    """Return one of TEXTS as a page in the reader's language; each button posts its scope back here."""
    language = language_of(request.headers.get("accept-language", ""))
    title, text = TEXTS[name][language]
    form = "".join(
        (f"<p>{CHOICES[language]}</p>" if number == 1 and name == "ask" else "")
        + f'<button name="scope" value="{scope}"{"" if number == 0 and name == "ask" else QUIET}>'
        f"{escape(BUTTONS[scope][language])}</button>"
        for number, scope in enumerate(buttons)
    )
    return HTMLResponse(
        f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f"<main>\n<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>\n"
        + (f'<form method="post">{form}</form>\n' if form else "")
        + "</main>\n</html>\n",
        status,
        HEADERS,
    )


QUIET = ' class="quiet"'
CHOICES = {
    "ru": "Или выберите сами; каждая кнопка действует сразу:",
    "en": "Or choose; each button acts at once:",
}


def language_of(accepted: str, among: tuple[str, ...] = ("en", "ru")) -> str:
    """Return the language that an Accept-Language header likes best, the first of `among` if it is silent."""
    weights = dict.fromkeys(among, 0.0)
    for part in accepted.lower().split(","):
        tag, _, weight = part.partition(";")
        language = tag.strip().partition("-")[0]
        if language in weights:
            weights[language] = max(weights[language], _weight(weight))
    return max(among, key=lambda language: weights[language])


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
