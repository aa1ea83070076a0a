"""The page that asks for permission to notify: Russian or English, light or dark, scripts from files only."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from starlette.responses import HTMLResponse

from kaskad.web.page import HEADERS, STYLE

PUSH_STYLE = f"""{STYLE}
[hidden] {{ display: none !important }}
.mark {{ width: 3.5rem; height: 3.5rem; margin: 0 auto 1.25rem; display: grid; place-items: center;
  border-radius: 50%; color: light-dark(#2559d0, #9db8ff); background: light-dark(#e6edfd, #22304f) }}
.mark svg {{ width: 1.75rem; height: 1.75rem }}
.shop {{ margin: 0 0 .25rem; font-size: .9375rem; font-weight: 600; color: light-dark(#556072, #a3adbd) }}
.acts {{ margin-top: 1.5rem; display: grid; gap: .75rem }}
[role=alert] {{ margin-top: .75rem; color: light-dark(#b3261e, #ff9d94) }}
label {{ display: grid; gap: .375rem; text-align: left; font-size: .9375rem }}
input {{ padding: .625rem .75rem; border: 1px solid light-dark(#b6bfcd, #465063); border-radius: .625rem;
  font: inherit; letter-spacing: .25em; color: inherit; background: light-dark(#fff, #12161d) }}
input:focus-visible {{ outline: 3px solid light-dark(#8fb0ff, #5d86ea); outline-offset: 2px }}"""

_HASH = b64encode(sha256(PUSH_STYLE.encode()).digest()).decode()
PUSH_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; script-src 'self'; connect-src 'self'; "
        "worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}

BELL = (
    '<div class="mark" aria-hidden="true"><svg viewBox="0 0 24 24" fill="none" stroke="currentColor" '
    'stroke-width="2" stroke-linecap="round" stroke-linejoin="round"><path d="M6 8a6 6 0 0 1 12 0c0 7 3 9 3 '
    '9H3s3-2 3-9"/><path d="M10.3 21a1.94 1.94 0 0 0 3.4 0"/></svg></div>'
)

# What the person is told in each state, in English and Russian; states are words of the script and of links.
STATES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "ask": (
        ("Allow notifications?", "Messages will come to this browser, also when the page is closed. "
         "You can stop them here at any time."),
        ("Разрешить уведомления?", "Сообщения будут приходить в этот браузер, даже когда страница закрыта. "
         "Отказаться можно здесь же в любой момент."),
    ),
    "digits wrong": (
        ("Is it you?", "Enter the last four digits of your phone number."),
        ("Это вы?", "Введите последние четыре цифры вашего номера телефона."),
    ),
    "done": (
        ("Notifications are on", "Our messages will come to this browser."),
        ("Уведомления включены", "Наши сообщения будут приходить в этот браузер."),
    ),
    "again on": (
        ("Notifications are on", "You get our messages in this browser already."),
        ("Уведомления включены", "Вы уже получаете наши сообщения в этом браузере."),
    ),
    "off": (
        ("Notifications are off", "Messages to this browser have stopped. Thank you for telling us."),
        ("Уведомления отключены", "Сообщения в этот браузер больше не придут. Спасибо, что сказали."),
    ),
    "blocked": (
        ("The browser has blocked notifications", "Allow them for this page in the browser’s settings (by "
         "the sign beside the address), then try again."),
        ("Браузер запретил уведомления", "Разрешите их для этой страницы в настройках браузера (значок рядом "
         "с адресом) и попробуйте ещё раз."),
    ),
    "unsupported": (
        ("This browser cannot do that", "Try another browser. On an iPhone or iPad add this page to the Home "
         "Screen first, and open it from there."),
        ("Этот браузер так не умеет", "Попробуйте другой браузер. На iPhone и iPad сначала добавьте страницу "
         "на экран «Домой» и откройте её оттуда."),
    ),
    "used": (
        ("This link has been used already", "Ask for one of your own."),
        ("Эта ссылка уже использована", "Попросите свою."),
    ),
    "burnt": (
        ("The digits did not match", "So this link is closed. Ask for a new one."),
        ("Цифры не совпали", "Поэтому ссылка закрыта. Попросите новую."),
    ),
    "expired": (
        ("This link is too old", "Ask for a new one."),
        ("Срок действия ссылки истёк", "Попросите новую."),
    ),
    "unknown": (
        ("We do not know this link", "It may not have been copied completely. Ask for a new one."),
        ("Мы не знаем эту ссылку", "Возможно, она скопирована не целиком. Попросите новую."),
    ),
    "trouble": (
        ("It did not work", "Please try again in a minute."),
        ("Не получилось", "Попробуйте, пожалуйста, ещё раз через минуту."),
    ),
}  # fmt: skip
WORDS = {
    "wrong": ("These are other digits than those of the number that we know. Try again.",
              "Эти цифры не совпадают с номером, который мы знаем. Попробуйте ещё раз."),
    "label": ("Last four digits", "Последние четыре цифры"),
    "allow": ("Allow notifications", "Разрешить уведомления"),
    "confirm": ("Confirm", "Подтвердить"),
    "stop": ("Switch off", "Отключить"),
    "again": ("Try again", "Попробовать ещё раз"),
    "script": ("This page needs JavaScript.", "Этой странице нужен JavaScript."),
}  # fmt: skip


def push_page(language: str, account: str, title: str) -> HTMLResponse:
    """Return the page of an account; its script shows the state that holds and hides all others."""
    at = 1 if language == "ru" else 0
    words = {name: escape(pair[at]) for name, pair in WORDS.items()}
    shop = f'<p class="shop">{escape(title)}</p>' if title else ""
    sections = "\n".join(_section(state, *pair[at], words) for state, pair in STATES.items())
    name = f"{title}: {STATES['ask'][at][0]}" if title else STATES["ask"][at][0]
    return HTMLResponse(
        f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}</title>\n<style>{PUSH_STYLE}</style>\n"
        f'<main aria-live="polite">\n{BELL}\n{shop}\n{sections}\n'
        f"<noscript><p>{words['script']}</p></noscript>\n</main>\n"
        f'<script src="/push/{account}/subscribe.js"></script>\n'
        f'<script src="/push/{account}/page.js"></script>\n</html>\n',
        200,
        PUSH_HEADERS,
    )


def _section(state: str, title: str, text: str, words: dict[str, str]) -> str:
    wrong = f'<p data-state="wrong" role="alert" hidden>{words["wrong"]}</p>' if "wrong" in state else ""
    return (
        f'<section data-state="{state}" hidden>\n<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>\n{wrong}'
        f"{_acts(state, words)}</section>"
    )


def _acts(state: str, words: dict[str, str]) -> str:
    """Return what can be done in a state."""
    match state:
        case "ask":
            return _button("subscribe", words["allow"])
        case "done" | "again on":
            return _button("unsubscribe", words["stop"], ' class="quiet"')
        case "blocked" | "trouble":
            return _button("state", words["again"], ' class="quiet"')
        case "digits wrong":
            return (
                f'<form data-act="subscribe"><label>{words["label"]}<input name="digits" inputmode="numeric" '
                'pattern="[0-9]{4}" maxlength="4" autocomplete="off" required></label>'
                f"<button>{words['confirm']}</button></form>"
            )
    return ""


def _button(act: str, text: str, kind: str = "") -> str:
    return f'<div class="acts"><button type="button" data-act="{act}"{kind}>{text}</button></div>'
