"""The cascade and the words that ask people to confirm a sign-up, as `kaskad form add` makes them.

They are ordinary: whoever wants other words, another order of channels or another brand changes them.
"""

from __future__ import annotations

from kaskad.domain.cascade import Content
from kaskad.domain.form import CONFIRMED, REQUESTED, TOPIC, Form

TEMPLATE = "sign-up"
_HTML = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{subject}</title></head>
<body style="margin:0;padding:24px 12px;background:#f3f5f8;color:#1d2430;
font:16px/1.5 system-ui,sans-serif">
<div style="max-width:440px;margin:0 auto;padding:32px 28px;border-radius:16px;background:#fff">
<h1 style="margin:0 0 12px;font-size:22px;line-height:1.25">{heading}</h1>
<p style="margin:0 0 24px">{why}</p>
<p style="margin:0 0 24px"><a href="{{{{ trigger.confirm_url }}}}" style="display:inline-block;
padding:12px 22px;border-radius:10px;background:#2559d0;color:#fff;font-weight:600;
text-decoration:none">{button}</a></p>
<p style="margin:0;color:#556072;font-size:14px">{otherwise}</p>
</div></body></html>
"""
_LETTERS = {
    "en": (
        "Please confirm your subscription", "One step left",
        "Somebody, we hope you, has asked for our messages to this address.", "Confirm",
        "If it was not you, do nothing: nothing will come, and in seven days we forget this address.",
    ),
    "ru": (
        "Подтвердите подписку", "Остался один шаг",
        "Кто-то, надеемся вы, попросил присылать наши сообщения на этот адрес.", "Подтвердить",
        "Если это были не вы, ничего не делайте: писем не будет, а через семь дней мы забудем этот адрес.",
    ),
    "kk": (
        "Жазылымды растаңыз", "Бір қадам қалды",
        "Біреу, сіз деп үміттенеміз, хабарламаларымызды осы мекенжайға жіберуді сұрады.", "Растау",
        "Бұл сіз болмасаңыз, ештеңе істемеңіз: хат келмейді, жеті күннен кейін бұл мекенжайды ұмытамыз.",
    ),
}  # fmt: skip
_CODES = {
    "en": "{{ trigger.code }} is the code that confirms your subscription. Not you? Ignore this.",
    "ru": "{{ trigger.code }} — код подтверждения подписки. Если это не вы, не отвечайте.",
    "kk": "{{ trigger.code }} — жазылымды растау коды. Бұл сіз болмасаңыз, жауап бермеңіз.",
}


def texts() -> list[tuple[str, str, Content, bool]]:
    """Return the template's texts: channel, language, words, and whether it serves all other languages."""
    found = []
    for language, (subject, heading, why, button, otherwise) in _LETTERS.items():
        html = _HTML.format(
            language=language, subject=subject, heading=heading, why=why, button=button, otherwise=otherwise
        )
        found.append(("email", language, Content(subject=subject, html=html), language == "en"))
    found += [("sms", language, Content(text=text), language == "en") for language, text in _CODES.items()]
    return found


def slug_of(name: str) -> str:
    """Return the name of the cascade that asks those who used the form."""
    return f"confirm-{name}"[:64]


def cascade_of(form: Form) -> str:
    """Return the cascade that asks those who used the form to confirm it."""
    steps = ""
    if form.takes_email:
        steps += _step("letter", "email", "email")
    if form.takes_phone:
        steps += _step("code", "sms", "sms")
    return f"""cascade: {slug_of(form.name)}
title: "{form.name}: confirmation of sign-ups"
class: transactional
topic: {TOPIC}
trigger: {{event: {REQUESTED}, key: sign_up, if: 'trigger.form == "{form.name}"'}}
to: trigger.to
reentry: parallel_by_key
goal: {{event: {CONFIRMED}, match: {{sign_up: trigger.sign_up}}, within: 7d}}
steps:
{steps}"""


def _step(name: str, channel: str, typed: str) -> str:
    return f"""  - id: {name}
    channel: {channel}
    template: {TEMPLATE}
    if: 'trigger.channel == "{typed}"'
    success: none
    wait: 7d
"""
