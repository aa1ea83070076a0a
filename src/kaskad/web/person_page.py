"""How pages look that people reach by the links of a message: phone first, light or dark, no script."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

from kaskad.web.page import HEADERS, language_of

LANGUAGES = ("en", "ru", "kk")
NAMES = {"ru": "Русский", "kk": "Қазақша", "en": "English"}

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#172033, #e8ecf4); --soft: light-dark(#566178, #a2adc0);
  --line: light-dark(#e3e8f0, #2b3444); --card: light-dark(#fff, #1a212d);
  --page: light-dark(#f2f5fa, #10151d);
  --blue: light-dark(#2456c9, #86a9ff); --on-blue: light-dark(#fff, #0d1a38);
  --tint: light-dark(#eaf0fe, #202d4a); --green: light-dark(#14693a, #7fd6a2);
  --green-tint: light-dark(#e3f5ea, #16301f); --red: light-dark(#b3261e, #ff9f96);
  --ring: light-dark(#7c9ff3, #5b82e6) }
* { box-sizing: border-box }
body { margin: 0; padding: 1rem 1rem 3rem; font: 1.0625rem/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--page); -webkit-text-size-adjust: 100% }
main, nav { width: min(34rem, 100%); margin: 0 auto }
nav ul { display: flex; justify-content: flex-end; gap: .25rem; margin: 0 0 .75rem; padding: 0;
  list-style: none }
nav a { display: block; padding: .5rem .75rem; border-radius: .625rem; font-size: .9375rem;
  color: var(--soft);
  text-decoration: none }
nav a:hover { color: var(--ink) }
nav a[aria-current] { color: var(--ink); font-weight: 600; background: var(--line) }
h1 { margin: 0; font-size: 1.625rem; line-height: 1.2; letter-spacing: -.01em; text-wrap: balance }
p { margin: 0; text-wrap: pretty }
.head { padding: .5rem .25rem 1.25rem }
.head p { margin-top: .375rem; color: var(--soft) }
.head b { color: var(--ink); font-weight: 600; overflow-wrap: anywhere }
.card { margin: 0 0 1rem; padding: 1.25rem; border: 1px solid var(--line); border-radius: 1rem;
  background: var(--card) }
.said { padding: .875rem 1.125rem; border-color: transparent; color: var(--green);
  background: var(--green-tint) }
.said b { display: block }
.said.bad { color: var(--red) }
fieldset { min-width: 0 }
legend, .h { font-weight: 650; font-size: 1.125rem }
.h { margin: 0 0 .25rem; line-height: 1.35 }
legend { float: left; width: 100%; margin: 0 0 .25rem; padding: 0 }
legend + * { clear: both; padding-top: .125rem }
.save { margin: 0 0 2rem }
.hint { color: var(--soft); font-size: .9375rem }
.row { display: flex; align-items: center; justify-content: space-between; gap: 1rem; min-height: 3.25rem;
  padding: .625rem 0; cursor: pointer }
.row:last-child { margin-bottom: -.625rem }
.row + .row { border-top: 1px solid var(--line) }
.row span { min-width: 0; overflow-wrap: anywhere }
.row small { display: block; color: var(--soft); font-size: .875rem }
input[type=checkbox].switch { appearance: none; flex: none; position: relative; width: 3rem;
  height: 1.75rem; margin: 0;
  border: 2px solid light-dark(#8792a6, #75829a); border-radius: 1rem; background: transparent;
  cursor: pointer }
input.switch::before { content: ""; position: absolute; top: 50%; left: .25rem; width: 1rem; height: 1rem;
  border-radius: 50%; background: light-dark(#8792a6, #75829a); transform: translateY(-50%) }
input.switch:checked { border-color: var(--blue); background: var(--blue) }
input.switch:checked::before { left: 1.4rem; background: var(--on-blue) }
.pick { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: .5rem;
  padding-top: .75rem }
.pick.three { grid-template-columns: repeat(3, minmax(0, 1fr)) }
.pick label:nth-last-child(5):first-child { grid-column: 1 / -1 }
@media (min-width: 30rem) { .pick.four { grid-template-columns: repeat(4, minmax(0, 1fr)) } }
.pick label { position: relative; display: grid; place-items: center; min-height: 2.75rem;
  padding: .375rem .5rem;
  border: 1px solid var(--line); border-radius: .75rem; text-align: center; line-height: 1.25;
  cursor: pointer }
.pick input { position: absolute; inset: 0; appearance: none; margin: 0; border-radius: .75rem;
  cursor: pointer }
.pick label:has(:checked) { border-color: var(--blue); color: var(--blue); font-weight: 600;
  background: var(--tint) }
button { display: block; width: 100%; min-height: 3rem; padding: .75rem 1.25rem; border: 0;
  border-radius: .75rem;
  font: inherit; font-weight: 600; color: var(--on-blue); background: var(--blue); cursor: pointer }
button:hover { filter: brightness(1.06) }
button.quiet { color: var(--ink); background: var(--line) }
button.leave { color: var(--red); background: transparent; border: 1px solid currentColor }
:focus-visible { outline: 3px solid var(--ring); outline-offset: 2px }
.stack { display: grid; gap: .625rem; margin-top: 1rem }
.words { margin: 0; padding: .75rem 1rem; border-left: 3px solid var(--blue); border-radius: .25rem;
  background: var(--tint); white-space: pre-line }
label.field { display: grid; gap: .375rem; margin-top: 1rem; font-weight: 600 }
label.field input { width: 100%; min-height: 3rem; padding: .625rem .875rem;
  border: 1px solid light-dark(#8792a6, #75829a);
  border-radius: .75rem; font: inherit; color: inherit; background: var(--page) }
.card > label.field:first-of-type { margin-top: 0 }
label.tick { display: flex; gap: .75rem; margin: 1.25rem 0 0; cursor: pointer }
label.tick input { flex: none; width: 1.375rem; height: 1.375rem; margin: .0625rem 0 0;
  accent-color: var(--blue) }
.code input { letter-spacing: .3em; font-variant-numeric: tabular-nums }
@media (prefers-reduced-motion: no-preference) { input.switch::before { transition: left .12s } }
@media (min-width: 40rem) { body { padding-top: 3rem } .card { padding: 1.5rem 1.75rem } }
""".strip()

_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()


def language_for(request: Request, known: str = "") -> str:
    """Return the language that the reader has chosen on the page, else the contact's, else the browser's."""
    chosen = request.query_params.get("lang", "")
    if chosen in LANGUAGES:
        return chosen
    if known in LANGUAGES:
        return known
    return language_of(request.headers.get("accept-language", ""), LANGUAGES)


def shown(
    language: str, title: str, body: str, status: int = 200, *, goes_to: str = ""
) -> HTMLResponse:  # fmt: skip
    """Return a page; `goes_to` is the origin of another site that its form may end at."""
    links = "".join(
        f'<li><a href="?lang={each}" lang="{each}" hreflang="{each}"'
        f"{CURRENT if each == language else ''}>{NAMES[each]}</a></li>"
        for each in ("ru", "kk", "en")
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'{f' {goes_to}' * bool(goes_to)}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(
        f'<!doctype html>\n<html lang="{language}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<nav aria-label="{_TONGUE[language]}"><ul>{links}</ul></nav>\n<main>\n{body}</main>\n</html>\n',
        status,
        {**HEADERS, "Content-Security-Policy": policy},
    )


CURRENT = ' aria-current="true"'
_TONGUE = {"ru": "Язык страницы", "kk": "Бет тілі", "en": "Language of this page"}


def head(title: str, text: str) -> str:
    """Return how a page begins; `text` is HTML."""
    return f'<div class="head"><h1>{escape(title)}</h1>\n<p>{text}</p></div>\n'


def said(title: str, text: str = "", *, bad: bool = False) -> str:
    """Return what the reader is told to have happened."""
    role = "alert" if bad else "status"
    more = f" {escape(text)}" if text else ""
    return f'<div class="card said{" bad" * bad}" role="{role}"><b>{escape(title)}</b>{more}</div>\n'
