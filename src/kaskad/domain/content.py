"""What one message says: a step's content compiled once, then rendered for each person with tracked links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from liquid import Markup
from msgspec import Struct, structs

from kaskad.domain.cascade import Approved, Button, Content, Variant
from kaskad.domain.channels import takes_approved
from kaskad.domain.enclosing import FILES, Enclosing, compile_enclosing
from kaskad.domain.html import TAIL, text_of, track_hrefs
from kaskad.domain.mjml import html_of, inlined
from kaskad.domain.speech import is_marked
from kaskad.domain.template import BadTemplate, RenderError, Template, compile_text
from kaskad.domain.terms import Channel
from kaskad.domain.tokens import HONEYPOT, MAX_LINK, Signer
from kaskad.domain.utm import CompiledUtm, Tagger
from kaskad.domain.worded import worded


class Wording(Struct, frozen=True, order=True):
    """A template in one language as a version has frozen it; `channel` is the channel's code."""

    name: str
    channel: int
    language: str
    fallback: bool
    content: Content  # with its parts in it, and HTML made of its MJML


class TextBook:
    """The templates that a version uses."""

    def __init__(self, wordings: Iterable[Wording] = ()) -> None:
        self.all = tuple(wordings)
        self._languages: dict[tuple[str, int], dict[str, Wording]] = {}
        for one in self.all:
            self._languages.setdefault((one.name, one.channel), {})[one.language] = one

    def languages(self, name: str, channel: int) -> tuple[str, ...]:
        """Return the languages of a template on a channel."""
        return tuple(self._languages.get((name, channel), ()))

    def find(self, name: str, channel: int, language: str) -> Wording | None:
        """Return the template in that language, else the one for all others, else None."""
        known = self._languages.get((name, channel), {})
        return known.get(language) or next((one for one in known.values() if one.fallback), None)


NO_TEXTS: TextBook = TextBook()


def primary(language: str) -> str:
    """Return a language without its country: ru of ru-RU."""
    return language[:2].lower()


UNSUBSCRIBE = "unsubscribe_url"  # what a template calls the address where this contact leaves
PREFERENCES = "preferences_url"  # the same page, for texts that speak of choosing
_OURS = frozenset({UNSUBSCRIBE, PREFERENCES})
_WEB = ("http://", "https://")
_UNTRACKED = ("mailto:", "tel:", "sms:", "viber:", "#")


class Rendered(Struct, frozen=True, gc=False):
    """The words of one message; `links` are its destinations, and a link's index is its place there."""

    subject: str = ""
    html: str = ""
    text: str = ""
    say: str = ""
    script: str = ""
    buttons: tuple[Button, ...] = ()
    media: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    approved: Approved | None = None  # sent in place of the text


class LinkMaker(Struct, frozen=True, gc=False):
    """The addresses of ours in one message. Without a `base_url` links lead straight to their destination.

    `expires_at` is that of the links; `pixel` says whether this contact may be shown the open pixel. With a
    `short_url` links are short ones under it, and somebody has to keep what they stand for.
    """

    signer: Signer
    base_url: str
    contact_id: int
    run_id: int
    step: int
    expires_at: int
    pixel: bool = True
    short_url: str = ""

    def url(self, index: int) -> str:
        """Return the tracked address of the link at `index`."""
        if self.short_url:
            return f"{self.short_url}/s/{self.code(index)}"
        token = self.signer.link(self.contact_id, self.run_id, self.step, index, self.expires_at)
        return f"{self.base_url}/l/{token}"

    def code(self, index: int) -> str:
        """Return what the short link at `index` is known by."""
        return self.signer.short(self.contact_id, self.run_id, self.step, index, self.expires_at)

    def honeypot(self) -> str:
        """Return the address that only machines follow."""
        return self.url(HONEYPOT)

    def open_pixel(self) -> str:
        """Return the address of the picture that tells of an open."""
        return f"{self.base_url}/o/{self.signer.pixel(self.contact_id, self.run_id, self.step)}"

    def unsubscribe(self) -> str:
        """Return the address where this contact leaves; it never expires."""
        return f"{self.base_url}/u/{self.signer.unsubscribe(self.contact_id, self.run_id, self.step)}"


class CompiledContent:
    """A step's content on one channel, ready to be rendered for many people."""

    __slots__ = ("_approved", "_buttons", "_leaves", "_media", "_texts", "encloses", "invites", "language",
                 "local", "only_text", "utm", "variables")  # fmt: skip

    def __init__(
        self,
        texts: dict[str, Template],
        buttons: tuple[tuple[Template, Template | None, str], ...],
        media: tuple[Template, ...],
        *,
        approved: _ApprovedText | None = None,
        encloses: Enclosing | None = None,
        linkless: bool = False,
        language: str = "",
        utm: CompiledUtm | None = None,
    ) -> None:
        self.utm = utm
        self.language = language  # of the template that it is; "": whatever the person reads
        self._texts = texts
        self._approved = approved
        self._buttons = buttons
        self._media = media
        parts = [*texts.values(), *media, *(part for text, url, _ in buttons for part in (text, url) if part)]
        if approved is not None:
            parts += approved.parts
        if encloses is not None:
            parts += encloses.parts
        self.encloses = encloses  # what goes with a mail besides its words, see engine/enclosures
        names = frozenset[str]().union(*(part.variables for part in parts))
        self.invites = any(part.invites for part in parts)  # the scope needs `opt_in`, see engine/invitations
        self.local = any(part.local for part in parts)  # the scope needs a `Here`
        self._leaves = bool(_OURS & names)
        files = {name for name in names if name.partition(".")[0].partition("[")[0] == FILES}
        self.variables: frozenset[str] = names - {TAIL, *_OURS} - files
        plain = linkless and not (buttons or media or self._leaves or encloses) and texts.keys() == {"text"}
        self.only_text = texts["text"] if plain else None  # where one text, without addresses of ours, is all

    @property
    def only_approved(self) -> bool:
        """Say whether there are no free words, but only a text that the service has approved."""
        return self._approved is not None and not self._texts and not self._media

    def render(
        self, scope: Mapping[str, object], links: LinkMaker, *, by_name: bool = False
    ) -> Rendered:  # fmt: skip
        """Return the words for one person; raises MissingVariable and RenderError.

        To the scope come `link`, `unsubscribe_url` (where there is a base URL) and what ends an HTML part.
        `by_name`: the approved text is sent, and not the free one.
        """
        follow = _Follower(links, self.utm.of(scope) if self.utm is not None else None)
        filling: dict[str, object] = {**scope, "link": follow}
        texts = self._texts
        if "html" in texts:
            filling[TAIL] = _tail(links)
        if self._leaves and links.base_url:
            filling[UNSUBSCRIBE] = filling[PREFERENCES] = links.unsubscribe()
        if by_name and self._approved is not None:
            approved, buttons = self._approved.render(filling), self._rendered_buttons(filling)
            return Rendered(buttons=buttons, links=tuple(follow.urls), approved=approved)
        if not texts and not self._media:
            raise RenderError(
                worded("there is only an approved text, which this account does not take: add `text`")
            )
        words = {kind: template.render(filling) for kind, template in texts.items()}
        if "subject" in words:
            words["subject"] = " ".join(words["subject"].split())  # one line: nothing may add a header
        if not self._buttons and not self._media:
            return Rendered(**words, buttons=(), media=(), links=tuple(follow.urls), approved=None)
        buttons = self._rendered_buttons(filling)
        media = tuple(template.render(filling) for template in self._media)
        return Rendered(**words, buttons=buttons, media=media, links=tuple(follow.urls), approved=None)

    def _rendered_buttons(self, filling: Mapping[str, object]) -> tuple[Button, ...]:
        return tuple(
            Button(text.render(filling), url.render(filling) if url else "", reply)
            for text, url, reply in self._buttons
        )


class _ApprovedText(Struct, frozen=True):
    """An approved text whose fillings are templates."""

    name: str
    language: str
    parameters: tuple[Template, ...]
    header: Template | None
    buttons: tuple[Template, ...]

    @property
    def parts(self) -> list[Template]:
        return [*self.parameters, *self.buttons, *([self.header] if self.header else [])]

    def render(self, filling: Mapping[str, object]) -> Approved:
        return Approved(
            self.name,
            self.language,
            tuple(one.render(filling) for one in self.parameters),
            header=self.header.render(filling) if self.header else "",
            buttons=tuple(one.render(filling) for one in self.buttons),
        )


class _Follower:
    """Turns destinations into tracked addresses; the same destination gets the same one."""

    __slots__ = ("maker", "tag", "urls")

    def __init__(self, maker: LinkMaker, tag: Tagger | None = None) -> None:
        self.maker = maker
        self.tag = tag  # adds parameters; None: there are none
        self.urls: dict[str, str] = {}  # by destination; a link's index is its place

    def __call__(self, destination: str) -> str:
        base = self.maker.base_url
        if destination[:8].lower().startswith(_WEB):
            if base and destination.startswith(f"{base}/"):  # ours already: unsubscribing is never tracked
                return destination
            if self.tag is not None:
                destination = self.tag(destination)
            if not base:
                return destination
            url = self.urls.get(destination)
            if url is None:
                if len(self.urls) > MAX_LINK:
                    raise RenderError(
                        worded(
                            "a message may have %(max_link)s links, this one has more", max_link=MAX_LINK + 1
                        )
                    )
                url = self.urls[destination] = self.maker.url(len(self.urls))
            return url
        if destination[:7].lower().startswith(_UNTRACKED):
            return destination
        raise RenderError(
            worded(
                "%(destination)r is not a web address: links begin with http:// or https://",
                destination=destination[:80],
            )
        )


def _tail(links: LinkMaker) -> Markup:
    """Return what ends an HTML part: the link that only machines follow, and the pixel if it is allowed."""
    if not links.base_url:
        return Markup("")
    pixel = _PIXEL.format(escape(links.open_pixel())) if links.pixel else ""
    return Markup(_HONEYPOT.format(escape(links.honeypot())) + pixel)


_HONEYPOT = (
    '<a href="{}" aria-hidden="true" tabindex="-1" style="display:block;width:1px;height:1px;'
    'overflow:hidden;opacity:0;font-size:0;line-height:0;mso-hide:all"></a>'
)
_PIXEL = '<img src="{}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">'

_KINDS = {
    Channel.EMAIL: ("subject", "html", "text"),
    Channel.PUSH: ("subject", "text"),
    Channel.ROBOT_CALL: ("say",),
    Channel.AGENT_CALL: ("script",),
}


def compile_content(
    content: Content, channel: Channel, variant: Variant | None = None, *, name: str = "content",
    texts: TextBook = NO_TEXTS, language: str = "", utm: CompiledUtm | None = None,
) -> CompiledContent:  # fmt: skip
    """Return `content` compiled for `channel`, with what `variant` says instead; raises BadTemplate.

    A mail with HTML alone gets its text part here. `name` is what errors call the content. A template that it
    names is looked for in `texts`, in `language`; what the content itself says counts more.
    """
    if variant is not None:
        content = over(content, variant.content)
    spoken_in = ""
    if content.template and (found := texts.find(content.template, channel.code, language)):
        content, spoken_in = over(found.content, structs.replace(content, template="")), found.language
    if content.html and not spoken_in:  # a template has its styles in place since it was frozen
        content = structs.replace(content, html=inlined(content.html, f"{name}.html"))
    if content.mjml and not content.html:
        content = structs.replace(content, html=html_of(content.mjml, f"{name}.mjml"))
    kinds = _KINDS.get(channel, ("text",))
    sources = {kind: source for kind in kinds if (source := getattr(content, kind))}
    approved = _approved(content, name) if takes_approved(channel) else None
    if not sources.keys() - {"subject"} and not content.media and approved is None:
        if content.template:
            raise BadTemplate(
                name,
                1,
                worded("there is no template %(template)r", template=content.template),
                worded("add it, or write the text here"),
            )
        needed = [kind for kind in kinds[-2:] if kind != "subject"]
        raise BadTemplate(
            name,
            1,
            worded("%(channel)s has nothing to say", channel=channel),
            worded("give %(known)s", known=" or ".join(needed)),
        )
    compiled = {
        # What stands between marks of SSML must not become one.
        kind: compile_text(source, name=f"{name}.{kind}", autoescape=kind == "say" and is_marked(source))
        for kind, source in sources.items()
        if kind != "html"
    }
    if "html" in sources:
        html = f"{name}.html"
        compiled["html"] = compile_text(track_hrefs(sources["html"]), name=html, autoescape=True)
        if "text" not in compiled:
            compiled["text"] = _text_part(sources["html"], name)
    spoken = channel in (Channel.ROBOT_CALL, Channel.AGENT_CALL)
    buttons = () if spoken else tuple(_button(button, name) for button in content.buttons)
    media = tuple(compile_text(source, name=f"{name}.media") for source in content.media)
    linkless = not any("link" in source for source in sources.values())
    names = frozenset[str]().union(*(one.variables for one in compiled.values()))
    encloses = compile_enclosing(content, compiled.get("html"), sources.get("html", ""), names, name)
    return CompiledContent(
        compiled, buttons, media, approved=approved, linkless=linkless and approved is None,
        language=spoken_in, encloses=encloses, utm=utm,
    )  # fmt: skip


def _approved(content: Content, name: str) -> _ApprovedText | None:
    told = content.approved
    if told is None:
        return None

    def compiled(source: str, place: str) -> Template:
        return compile_text(source, name=f"{name}.approved.{place}")

    return _ApprovedText(
        told.name,
        told.language,
        tuple(compiled(source, "parameters") for source in told.parameters),
        compiled(told.header, "header") if told.header else None,
        tuple(compiled(source, "buttons") for source in told.buttons),
    )


def over(content: Content, own: Content) -> Content:
    said = {field: value for field, value in structs.asdict(own).items() if value}
    if "mjml" in said and "html" not in said:
        said["html"] = ""  # what was made of the other's MJML
    return structs.replace(content, **said)


def _text_part(source: str, name: str) -> Template:
    try:
        return compile_text(text_of(source), name=f"{name}.text")
    except BadTemplate as problem:
        what = worded("no text part can be made of it (%(problem)s)", problem=problem.problem)
        raise BadTemplate(f"{name}.html", 1, what, worded("give text beside html")) from None


def _button(button: Button, name: str) -> tuple[Template, Template | None, str]:
    text = compile_text(button.text, name=f"{name}.buttons")
    if not button.url:
        return text, None, button.reply
    tracked = button.url if "link" in button.url else f"{{% link %}}{button.url}{{% endlink %}}"
    return text, compile_text(tracked, name=f"{name}.buttons"), button.reply
