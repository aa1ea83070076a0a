"""The brand in letters: three parts of templates made from it, and a letter that shows how they look.

`{% extends 'brand-letter' %}` gives a letter the brand's head, foot and colours. What somebody has changed in
a part by hand is theirs: it is written over only where they say so.
"""

from __future__ import annotations

from hashlib import sha256
from html import escape

from msgspec import Struct

from kaskad.actions import templates
from kaskad.actions.brand import Brand, checked, show
from kaskad.actions.frames import Work, fill
from kaskad.actions.office import Office
from kaskad.domain.cascade import Content
from kaskad.domain.terms import Channel
from kaskad.engine.look import NOBODY
from kaskad.store import settings as setting_store
from kaskad.store import templates as store
from kaskad.store.templates import PART, Kept

SETTING = "brand_parts"  # what was written last, to know what was changed by hand
HEAD, FOOT, LETTER = "brand-head", "brand-foot", "brand-letter"
NAMES = (HEAD, FOOT, LETTER)
COLOUR, GROUND = "#1f5fd0", "#f4f5f7"  # where none is told
LEAVE = {"": "Unsubscribe", "ru": "Отписаться", "kk": "Бас тарту"}  # by language; "" serves all others
SAMPLE = {
    "en": ("This is how your letters look", "A letter that extends brand-letter has this head and foot.",
           "To the cart"),
    "ru": ("Так выглядят ваши письма", "У письма на основе brand-letter такие шапка и подвал.", "В корзину"),
}  # fmt: skip


class Piece(Struct, frozen=True):
    """One part: `state` is missing, written (as the brand says), behind (an earlier brand's) or changed."""

    name: str
    state: str


def states(office: Office) -> list[Piece]:
    """Return how the parts in the templates stand to the brand."""
    with office.read() as tx:
        kept = {(one.name, one.language): _digest(one.content.text) for name in NAMES
                for one in store.of_name(tx, name) if one.channel == PART}  # fmt: skip
        last = setting_store.get(tx, SETTING, dict[str, str]) or {}
    wanted = _texts(show(office))
    found = []
    for name in NAMES:
        own = {key: text for key, text in wanted.items() if key[0] == name}
        there = {key: kept[key] for key in own if key in kept}
        if not there:
            state = "missing"
        elif any(digest != last.get(_key(*key)) for key, digest in there.items()):
            state = "changed"
        else:
            state = "written" if there == {key: _digest(text) for key, text in own.items()} else "behind"
        found.append(Piece(name, state))
    return found


def write(office: Office, by: str, *, replace: bool = False) -> list[Piece]:
    """Write the parts as the brand is now; what was changed by hand stays, unless `replace`.

    Cascades have them when they are activated next. Returns how the parts stand then.
    """
    changed = {each.name for each in states(office) if each.state == "changed"}
    written = {key: text for key, text in _texts(show(office)).items() if replace or key[0] not in changed}
    for (name, language), text in written.items():
        templates.put(office, name, templates.PART_WORD, language, Content(text=text), by=by)
    with office.read() as tx:
        last = setting_store.get(tx, SETTING, dict[str, str]) or {}
    last |= {_key(*key): _digest(text) for key, text in written.items()}
    office.write(lambda tx: setting_store.put(tx, SETTING, last))
    return states(office)


def sample(office: Office, told: Brand, language: str) -> str:
    """Return the HTML of a letter in the look of a brand that need not be kept; raises Invalid."""
    brand, now = checked(office, told), office.now()
    title, words, button = SAMPLE.get(language, SAMPLE["en"])
    text = (
        f"{{% extends '{LETTER}' %}}{{% block content %}}<mj-text font-size=\"22px\">{title}</mj-text>"
        f'<mj-text>{words}</mj-text><mj-button href="https://example.org/">{button}</mj-button>'
        "{% endblock %}"
    )
    letter = Kept("sample", Channel.EMAIL.code, language, True, Content(subject=title, mjml=text), now)
    parts = [
        Kept(name, PART, of, False, Content(text=one), now) for (name, of), one in _texts(brand).items()
    ]  # fmt: skip
    made = templates.made_of(letter, [letter, *parts])
    work = Work(Content(template="sample"), Channel.EMAIL, "sample", NOBODY, "UTC", now, office.base_url, "",
                texts=(made,), language=language)  # fmt: skip
    return fill(work).words.html


def _texts(brand: Brand) -> dict[tuple[str, str], str]:
    """Return the parts as a brand has them, by name and language."""
    found = {(HEAD, ""): _head(brand), (LETTER, ""): _letter(brand)}
    return found | {(FOOT, language): _foot(brand, words) for language, words in LEAVE.items()}


def _letter(brand: Brand) -> str:
    colour = brand.colour or COLOUR
    return f"""<mjml>
  <mj-head>
    <mj-attributes>
      <mj-all font-family="Arial, Helvetica, sans-serif" />
      <mj-text font-size="16px" line-height="1.5" color="#1f2328" />
      <mj-button background-color="{colour}" color="{_on(colour)}" border-radius="6px" font-size="16px" />
    </mj-attributes>
    <mj-style>a {{ color: {colour}; }}</mj-style>
  </mj-head>
  <mj-body background-color="{brand.ground or GROUND}">
    {{% include '{HEAD}' %}}
    <mj-section background-color="#ffffff">
      <mj-column>{{% block content %}}{{% endblock %}}</mj-column>
    </mj-section>
    {{% include '{FOOT}' %}}
  </mj-body>
</mjml>
"""


def _head(brand: Brand) -> str:
    name, link = escape(brand.name), f' href="{escape(brand.site)}"' if brand.site else ""
    if brand.logo:
        source = escape(brand.logo) if "://" in brand.logo else f"cid:{brand.logo}"
        inside = f'<mj-image src="{source}" alt="{name}"{link} width="160px" align="left" />'
    else:
        colour = brand.colour or COLOUR
        inside = f'<mj-text font-size="22px" font-weight="bold" color="{colour}">{name}</mj-text>'
    return f"""<mj-section background-color="#ffffff" padding="20px 0 0">
  <mj-column>{inside}</mj-column>
</mj-section>
"""


def _foot(brand: Brand, leave: str) -> str:
    lines = [brand.name, *brand.address.splitlines(), *brand.legal.splitlines()]
    told = "<br />".join(escape(line) for line in lines if line)
    return f"""<mj-section padding="12px 0 24px">
  <mj-column>
    <mj-text align="center" font-size="12px" color="#5f6672">{told}<br /><a href="{{{{ unsubscribe_url }}}}"
      style="color: #5f6672">{leave}</a></mj-text>
  </mj-column>
</mj-section>
"""


def _on(colour: str) -> str:
    """Return the colour of words on a ground: whichever of black and white stands out more (WCAG)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if light > 0.179 else "#ffffff"


def _key(name: str, language: str) -> str:
    return f"{name} {language}".strip()


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
