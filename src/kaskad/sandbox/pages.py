"""The pages: everybody with what they got lately, and each person's phone, on which one can be that person.

Looking changes nothing. Whoever acts takes the phone over; the simulation then leaves that person alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parseaddr
from importlib.resources import files
from urllib.parse import quote, urlsplit
from zlib import crc32
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, PackageLoader
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from kaskad.sandbox.deeds import Deeds
from kaskad.sandbox.links import for_frame
from kaskad.sandbox.person import MESSENGERS, Bubble, Call, Chat, Link, Mail, Notice, Phone, Sms, Thing
from kaskad.sandbox.wire import Answer
from kaskad.sandbox.words import LANGUAGES, words_of
from kaskad.sandbox.world import World

TABS = {"sms": "sms", "calls": "robot_call", "notices": "push"}  # first part of a deed's path -> its tab
GLANCE = 4  # channels in the line of a person
SHOWN = 50  # people on a page
KINDS = {"phones.css": "text/css", "refresh.js": "text/javascript"}
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
        "img-src data:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
FRAME_HEADERS = {  # a mail's HTML is a stranger's: no scripts, no forms, nothing of this page
    **HEADERS,
    "Content-Security-Policy": (
        "sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data: http: https:; frame-ancestors 'self'"
    ),
}


class Pages:
    """Handlers and what their templates ask for."""

    def __init__(self, world: World, deeds: Deeds) -> None:
        self._world = world
        self._deeds = deeds
        self._templates = Environment(
            loader=PackageLoader("kaskad.sandbox"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.globals |= {
            "name": name_of, "initials": initials, "hue": hue, "sender": sender, "short": short,
            "pieces": pieces, "minutes": minutes, "has_reacted": has_reacted,
            "reached": reached,
        }  # fmt: skip

    def routes(self) -> list[Route]:
        """Return the routes of all pages."""
        one, mail = "/people/{id:int}", "/people/{id:int}/mails/{number:int}"
        acts: dict[str, Callable[[Request, Phone], Awaitable[Answer | None]]] = {
            "/take": self._take, "/release": self._release, "/follow": self._follow, "/sms": self._sms,
            "/chats/{channel}/press": self._press, "/chats/{channel}/write": self._write,
            "/chats/{channel}/start": self._start, "/chats/{channel}/block": self._block,
            "/chats/{channel}/unblock": self._unblock, "/chats/{channel}/read/{number:int}": self._read,
            "/notices/{number:int}/tap": self._tap, "/notices/{number:int}/dismiss": self._dismiss,
            "/calls/{sid}": self._call, "/mails/{number:int}/open": self._open,
            "/mails/{number:int}/follow": self._follow_mail, "/mails/{number:int}/reply": self._reply,
            "/mails/{number:int}/unsubscribe": self._unsubscribe, "/mails/{number:int}/spam": self._spam,
        }  # fmt: skip
        return [
            Route("/", self.people, methods=["GET"]),
            Route(one, self.phone, methods=["GET"]),
            Route(mail, self.mail, methods=["GET"]),
            Route(mail + "/body", self.mail_body, methods=["GET"]),
            Route(mail + "/links/{link:int}", self.mail_link, methods=["GET"]),
            Route("/static/{file}", self.static, methods=["GET"]),
            *(Route(one + path, self._acting(act), methods=["POST"]) for path, act in acts.items()),
        ]

    async def people(self, request: Request) -> Response:
        """Show everybody, whom something happened to last first."""
        query = request.query_params.get("q", "").strip()
        found = [phone for phone in self._world.phones.values() if matches(phone, query)]
        found.sort(key=lambda phone: (-phone.latest(), phone.id))
        pages = max(1, -(-len(found) // SHOWN))
        page = min(max(1, _whole(request.query_params.get("page", "1"))), pages)
        return self._page(
            request, "people.html", query=query, phones=found[(page - 1) * SHOWN : page * SHOWN], page=page,
            pages=pages, totals=list(self._world.counts.items()),
        )  # fmt: skip

    async def phone(self, request: Request) -> Response:
        """Show a person's phone."""
        tab = request.query_params.get("tab", "")
        phone = self._found(request)
        channels = self._world.channels
        newest = max(channels, key=phone.latest)
        return self._page(
            request, "phone.html", phone=phone, tab=tab if tab in channels else newest, channels=channels,
            messengers=MESSENGERS,
        )  # fmt: skip

    async def mail(self, request: Request) -> Response:
        """Show a mail; looking at it opens nothing."""
        phone, mail = self._found_mail(request)
        return self._page(request, "mail.html", phone=phone, mail=mail)

    async def mail_body(self, request: Request) -> Response:
        """Show a mail's HTML for its frame; links lead back to its page, where they can be followed."""
        _, mail = self._found_mail(request)
        here = request.url.path.removesuffix("/body")
        target = {link.url: f"{here}/links/{number}" for number, link in enumerate(mail.links)}
        style = "<style>body{font:16px/1.5 system-ui,sans-serif;margin:24px;color:#1c2330}</style>"
        return HTMLResponse(f"<!doctype html>{style}{for_frame(mail.html, target)}", 200, FRAME_HEADERS)

    async def mail_link(self, request: Request) -> Response:
        """Follow a link clicked in a mail's frame, which cannot post; only where one is the person."""
        phone, mail = self._found_mail(request)
        place = request.path_params["link"]
        back = f"/people/{phone.id}/mails/{mail.id}"
        if phone.by_hand and place < len(mail.links):
            await self._deeds.open_mail(phone, mail)
            answer = await self._followed(phone, mail, mail.links[place].url)
            back += _led(answer, "?")
        return RedirectResponse(back, 303)

    async def static(self, request: Request) -> Response:
        """Serve the style and the script."""
        name = request.path_params["file"]
        if name not in KINDS:
            raise HTTPException(404)
        data = files("kaskad.sandbox").joinpath("static", name).read_bytes()
        return Response(data, 200, {"Cache-Control": "no-cache"}, KINDS[name])

    def _page(self, request: Request, template: str, status: int = 200, **more: object) -> Response:
        language = language_of(request)
        say = words_of(language)
        phone = more.get("phone")
        zone = phone.person.zone if isinstance(phone, Phone) else ""
        now = self._world.pace.now()
        kept = [
            f"{key}={value}" for key, value in request.query_params.items() if key in ("tab", "q", "page")
        ]
        text = self._templates.get_template(template).render(
            say=say, language=language, here="?" + "".join(f"{pair}&" for pair in kept),
            clock=lambda at: clock(at, now, zone), told=told(request, say),
            latest=lambda phone: latest(phone, self._world.channels, say), **more,
        )  # fmt: skip
        page = HTMLResponse(text, status, {**HEADERS, "Vary": "Accept-Language, Cookie"})
        if request.query_params.get("lang") in LANGUAGES:
            page.set_cookie("lang", language, max_age=31_536_000, httponly=True, samesite="lax")
        return page

    def _found(self, request: Request) -> Phone:
        phone = self._world.phones.get(request.path_params["id"])
        if phone is None:
            raise HTTPException(404)
        return phone

    def _found_mail(self, request: Request) -> tuple[Phone, Mail]:
        phone = self._found(request)
        mail = phone.mail(request.path_params["number"])
        if mail is None:
            raise HTTPException(404)
        return phone, mail

    def _acting(
        self, act: Callable[[Request, Phone], Awaitable[Answer | None]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler of a deed: take the phone over, do it, and come back to where it was done."""

        async def handle(request: Request) -> Response:
            if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                raise HTTPException(403)  # another site's form must not play people
            phone = self._found(request)
            phone.by_hand = True
            answer = await act(request, phone)
            back = await self._back(request, phone)
            back += _led(answer, "&" if "?" in back else "?")
            return RedirectResponse(back, 303)

        return handle

    async def _back(self, request: Request, phone: Phone) -> str:
        form = await request.form()
        wanted = form.get("back")
        here = f"/people/{phone.id}"
        if isinstance(wanted, str) and wanted.startswith(here):
            return wanted
        path = request.url.path
        if "/mails/" in path:
            return path.rpartition("/")[0]
        first, _, rest = path.removeprefix(f"{here}/").partition("/")
        tab = rest.partition("/")[0] if first == "chats" else TABS.get(first) or _text(form, "channel")
        return f"{here}?tab={tab}" if tab in self._world.channels else here

    async def _take(self, request: Request, phone: Phone) -> None:
        return None

    async def _release(self, request: Request, phone: Phone) -> None:
        phone.by_hand = False

    async def _follow(self, request: Request, phone: Phone) -> Answer | None:
        form = await request.form()
        number, url, channel = _whole(_text(form, "number")), _text(form, "url"), _text(form, "channel")
        chat = phone.chats.get(channel)
        thing: Bubble | Sms | None = chat.bubble(number) if chat else phone.sms(number)
        return await self._followed(phone, thing, url)

    async def _follow_mail(self, request: Request, phone: Phone) -> Answer | None:
        _, mail = self._found_mail(request)
        url = _text(await request.form(), "url")
        if url in {link.url for link in mail.links}:
            await self._deeds.open_mail(phone, mail)
        return await self._followed(phone, mail, url)

    async def _followed(
        self, phone: Phone, thing: Mail | Bubble | Notice | Sms | None, url: str
    ) -> Answer | None:
        if thing is None or url not in {link.url for link in thing.links}:
            raise HTTPException(404)
        answer = await self._deeds.follow(phone, thing, url)
        return answer if answer.status else Answer(0, location=f"!{urlsplit(url).netloc}")

    async def _press(self, request: Request, phone: Phone) -> Answer | None:
        form = await request.form()
        bubble = _chat(request, phone).bubble(_whole(_text(form, "number")))
        row, place = _whole(_text(form, "row")), _whole(_text(form, "place"))
        if bubble is None or row >= len(bubble.buttons) or place >= len(bubble.buttons[row]):
            raise HTTPException(404)
        button = bubble.buttons[row][place]
        answer = await self._deeds.press(phone, bubble, button)
        if answer is not None and not answer.status:
            return Answer(0, location=f"!{urlsplit(button.url).netloc}")
        return answer

    async def _write(self, request: Request, phone: Phone) -> None:
        chat = _chat(request, phone)
        if text := _text(await request.form(), "text"):
            await self._deeds.write(phone, chat.channel, text[:4000])

    async def _start(self, request: Request, phone: Phone) -> None:
        await self._deeds.start(phone, _chat(request, phone).channel, "")

    async def _block(self, request: Request, phone: Phone) -> None:
        await self._deeds.block(phone, _chat(request, phone).channel)

    async def _unblock(self, request: Request, phone: Phone) -> None:
        await self._deeds.unblock(phone, _chat(request, phone).channel)

    async def _read(self, request: Request, phone: Phone) -> None:
        bubble = _chat(request, phone).bubble(request.path_params["number"])
        if bubble is None or bubble.mine:
            raise HTTPException(404)
        await self._deeds.read(phone, bubble)

    async def _tap(self, request: Request, phone: Phone) -> Answer | None:
        notice = _notice(request, phone)
        answer = await self._deeds.tap(phone, notice)
        if not notice.link:
            return None
        return answer if answer.status else Answer(0, location=f"!{urlsplit(notice.link).netloc}")

    async def _dismiss(self, request: Request, phone: Phone) -> None:
        await self._deeds.dismiss(phone, _notice(request, phone))

    async def _sms(self, request: Request, phone: Phone) -> None:
        if (text := _text(await request.form(), "text")) and phone.person.phone:
            await self._deeds.send_sms(phone, text[:800])

    async def _call(self, request: Request, phone: Phone) -> None:
        call = phone.call(request.path_params["sid"])
        deed = _text(await request.form(), "deed")
        if call is None:
            raise HTTPException(404)
        if call.live and (
            deed in ("answer", "decline", "hang_up") or (len(deed) == 1 and deed in "0123456789*#")
        ):
            self._deeds.act_on_call(call, deed)

    async def _open(self, request: Request, phone: Phone) -> None:
        await self._deeds.open_mail(*self._found_mail(request))

    async def _reply(self, request: Request, phone: Phone) -> None:
        _, mail = self._found_mail(request)
        if text := _text(await request.form(), "text"):
            await self._deeds.reply_to_mail(phone, mail, text)

    async def _unsubscribe(self, request: Request, phone: Phone) -> None:
        _, mail = self._found_mail(request)
        if mail.unsubscribe:
            await self._deeds.unsubscribe(phone, mail)

    async def _spam(self, request: Request, phone: Phone) -> None:
        await self._deeds.complain(*self._found_mail(request))


def _chat(request: Request, phone: Phone) -> Chat:
    chat = phone.chats.get(request.path_params["channel"])
    if chat is None:
        raise HTTPException(404)
    return chat


def _notice(request: Request, phone: Phone) -> Notice:
    notice = phone.notice(request.path_params["number"])
    if notice is None:
        raise HTTPException(404)
    return notice


def language_of(request: Request) -> str:
    """Return the language of the page: asked for, chosen before, or the browser's."""
    for wanted in (request.query_params.get("lang"), request.cookies.get("lang")):
        if wanted in LANGUAGES:
            return wanted
    accepted = request.headers.get("accept-language", "").lower()
    places = {language: accepted.find(language) for language in LANGUAGES if language in accepted}
    return min(places, key=lambda language: places[language], default="en")


def told(request: Request, say: dict[str, str]) -> str:
    """Return what came of following a link."""
    led = request.query_params.get("led", "")
    if not led:
        return ""
    if led.startswith("!"):
        return say["outside"].format(led[1:])
    return (say["led_nowhere"] if led.isdigit() else say["led_to"]).format(led)


def matches(phone: Phone, query: str) -> bool:
    """Return whether every word of a search stands in a name or an address."""
    person = phone.person
    chats = " ".join(chat.address for chat in phone.chats.values())
    hay = f"{person.name} {person.key} {person.email} {person.phone} {chats}".lower()
    return all(word in hay for word in query.lower().split())


def name_of(phone: Phone) -> str:
    return phone.person.name or phone.person.key


def reached(phone: Phone) -> str:
    """Return one address of a person, as people know them by."""
    person = phone.person
    chats = [chat.address for chat in phone.chats.values() if chat.started]
    return person.email or person.phone or next(iter((*chats, *person.ids.values())), "")


def initials(phone: Phone) -> str:
    letters = [word[0] for word in name_of(phone).split() if word[0].isalpha()]
    return "".join(letters[:2]).upper() or "•"


def hue(phone: Phone) -> int:
    return crc32(phone.person.key.encode()) % 360


def sender(mail: Mail) -> str:
    name, address = parseaddr(mail.sender)
    return name or address


def short(text: str) -> str:
    """Return an address as a person reads it: without its scheme, cut where it is long."""
    text = text.partition("://")[2] or text
    return text if len(text) <= 44 else f"{text[:40]}…"


def minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


def has_reacted(phone: Phone) -> bool:
    return any(thing.reacted for things in phone.piles() for thing in things)


def clock(at: int, now: int, zone: str) -> str:
    """Return an instant as the person's phone shows it; with the date where that is another day."""
    try:
        where = ZoneInfo(zone) if zone else UTC
    except (ZoneInfoNotFoundError, ValueError):
        where = UTC
    then, today = (datetime.fromtimestamp(each / 1000, where) for each in (at, now))
    return f"{then:%H:%M}" if then.date() == today.date() else f"{then:%d.%m %H:%M}"


def pieces(text: str, found: tuple[Link, ...]) -> Iterator[tuple[str, bool]]:
    """Return a text in pieces, and of each whether it is a link."""
    rest = text
    for link in found:
        before, url, after = rest.partition(link.url)
        if not url:
            yield link.url, True  # marked up: the address does not stand in what is shown
            continue
        if before:
            yield before, False
        yield url, True
        rest = after
    if rest:
        yield rest, False


def latest(phone: Phone, channels: Sequence[str], say: dict[str, str]) -> list[tuple[str, str, bool]]:
    """Return by channel the last thing in a few words, and whether it is new; of many channels the latest."""
    shown = set(sorted(channels, key=phone.latest, reverse=True)[:GLANCE])
    newest = phone.latest()
    told = []
    for channel in channels:
        if channel in shown:
            pile = phone.pile(channel)
            text = " ".join(_in_words(pile[-1], say).split())[:80] if pile else ""
            told.append((channel, text, bool(text) and phone.latest(channel) == newest))
    return told


def _in_words(thing: Thing, say: dict[str, str]) -> str:
    match thing:
        case Mail():
            return thing.subject
        case Bubble():
            return thing.text or "▣"
        case Notice():
            return thing.title or thing.text
        case Sms():
            return thing.text
        case Call():
            return say["call_" + thing.status.replace("-", "_")]


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def _led(answer: Answer | None, joint: str) -> str:
    """Return what came of following a link, for the address of the next page."""
    if answer is None:
        return ""
    return f"{joint}led={quote((answer.location or str(answer.status))[:300], safe='')}"
