"""Sign-up forms: declared, shown as HTML to paste, forgotten. What is asked by one has its own cascade."""

from __future__ import annotations

from html import escape

from msgspec import Struct

from kaskad.actions import cascades, templates
from kaskad.actions.form_texts import TEMPLATE, cascade_of, slug_of, texts
from kaskad.actions.office import Office
from kaskad.actions.policy import show as policy_of
from kaskad.domain.errors import Invalid, NotFound
from kaskad.domain.form import Form, problems_of, version_of
from kaskad.domain.worded import worded, wording
from kaskad.store import cascades as cascade_store
from kaskad.store import forms as store
from kaskad.store import templates as template_store
from kaskad.store.db import Transaction

_WORDS = {
    "en": ("E-mail", "Phone", "Name", "Sign up"),
    "ru": ("Электронная почта", "Телефон", "Имя", "Подписаться"),
    "kk": ("Электрондық пошта", "Телефон", "Аты", "Жазылу"),
}


class Known(Struct, frozen=True):
    """A form, how many have used it lately, and why nobody can be asked to confirm ("" if all is well)."""

    form: Form
    asked: int
    confirmed: int
    trouble: str = ""


def put(office: Office, form: Form) -> Known:
    """Declare a form, or change it; the cascade that asks to confirm is made and activated at the first time.

    Raises Invalid with all problems. Where an account is missing the form is kept, and `trouble` says so.
    """
    problems = problems_of(form)
    if problems:
        raise Invalid([text for text, _ in problems], [place for _, place in problems])
    office.write(lambda tx: store.put(tx, form, office.now()))
    _put_texts(office)
    return show(office, form.name, trouble=_ask_by(office, form))


def show(office: Office, name: str, *, trouble: str = "") -> Known:
    """Return a form; raises NotFound."""
    with office.read() as tx:
        form = store.find(tx, name)
        if form is None:
            raise NotFound(worded("There is no form %(name)r: `kaskad form list` shows them.", name=name))
        asked, confirmed = store.counts(tx).get(name, (0, 0))
        state = _state(tx, slug_of(name))
    if not trouble and state != cascade_store.ACTIVE:
        trouble = worded(
            "The cascade %(slug_of)s is not active, so nobody is asked to confirm: activate it.",
            slug_of=slug_of(name),
        )
    return Known(form, asked, confirmed, trouble)


def listing(office: Office) -> list[Known]:
    """Return the forms, by name."""
    with office.read() as tx:
        found, counts = store.listing(tx), store.counts(tx)
    return [Known(form, *counts.get(form.name, (0, 0))) for form in found]


def drop(office: Office, name: str) -> None:
    """Forget a form: it takes nobody any more, and who has not confirmed cannot; raises NotFound."""
    if not office.write(lambda tx: store.drop(tx, name)):
        raise NotFound(worded("There is no form %(name)r: `kaskad form list` shows them.", name=name))


def html(office: Office, name: str, language: str = "") -> str:
    """Return the form as HTML to paste into a page; raises NotFound."""
    form = show(office, name).form
    language = form.text(language or policy_language(office)).language
    return snippet(form, language, office.base_url)


def policy_language(office: Office) -> str:
    """Return the language that people of the sender's country mostly read."""
    return {"RU": "ru", "KZ": "ru"}.get(policy_of(office).country, "en")


def snippet(form: Form, language: str, base_url: str) -> str:
    """Return the form as HTML; it works without a script, in any page."""
    email, phone, name, button = _WORDS.get(language, _WORDS["en"])
    words = form.text(language)
    fields = []
    if form.takes_email:
        needed = "" if form.takes_phone else " required"
        fields.append(
            f'<p><label>{email} <input type="email" name="email" autocomplete="email"{needed}></label></p>'
        )
    if form.takes_phone:
        needed = "" if form.takes_email else " required"
        fields.append(
            f'<p><label>{phone} <input type="tel" name="phone" autocomplete="tel"{needed}></label></p>'
        )
    lines = [
        f'<form method="post" action="{escape(base_url)}/f/{form.name}">',
        f'<input type="hidden" name="language" value="{words.language}">',
        f'<input type="hidden" name="version" value="{version_of(words.text)}">',
        f'<div hidden><label>{form.honeypot} <input name="{form.honeypot}" tabindex="-1" autocomplete="off">'
        "</label></div>",
        *fields,
        f'<p><label>{name} <input name="name" autocomplete="name"></label></p>',
        '<p><label><input type="checkbox" name="agreed" value="yes" required> '
        f"{escape(words.text)}</label></p>",
        f'<p><button type="submit">{button}</button></p>',
        "</form>",
    ]
    return "\n".join(lines) + "\n"


def _put_texts(office: Office) -> None:
    """Write the words that ask, where nobody has written any."""
    with office.read() as tx:
        known = {(one.channel, one.language) for one in template_store.of_name(tx, TEMPLATE)}
    if not known:
        for channel, language, content, fallback in texts():
            templates.put(office, TEMPLATE, channel, language, content, fallback=fallback)


def _ask_by(office: Office, form: Form) -> str:
    """Make and activate the cascade that asks, unless it is there; return why it could not be, or ""."""
    slug = slug_of(form.name)
    with office.read() as tx:
        known = _state(tx, slug)
    if known not in ("", cascade_store.DRAFT):
        return ""
    cascades.put(office, slug, cascade_of(form))
    try:
        cascades.activate(office, slug, ours=True)
    except Invalid as error:
        return worded(
            "The form is kept, but nobody can be asked to confirm yet: %(error)s Then activate %(slug)s.",
            error=wording(error),
            slug=slug,
        )
    office.reload()
    return ""


def _state(tx: Transaction, slug: str) -> str:
    try:
        return cascade_store.by_slug(tx, slug).state
    except NotFound:
        return ""
