"""`/f/{form}` and `/c/{token}`: people ask to be signed up, and the owner of the address confirms it.

The answer is the same whoever asks for whichever address. A form may be posted from other sites, as a plain
form or as JSON; a GET shows a page and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from kaskad.domain.address import BadAddress, normalise
from kaskad.domain.errors import StoreError
from kaskad.domain.form import Form, version_of
from kaskad.domain.terms import Channel
from kaskad.domain.tokens import BadToken, Signer
from kaskad.engine.sign_up import DONE, LIMITED, WRONG, Told
from kaskad.log import get_logger
from kaskad.web.body import read_body
from kaskad.web.form_page import asked_page, code_page, confirm_page, done_page, form_page, over_page
from kaskad.web.intake import Durable, Intake
from kaskad.web.page import page
from kaskad.web.person_page import language_for
from kaskad.web.tracking import evidence_of, form_lists

log = get_logger(__name__)

LIMIT = 16_384
_LONGEST = 200
_JSON = "application/json"


class _Typed(Struct, frozen=True):
    """What was sent: its fields, and whether a program (JSON) or a person (a form) wants the answer."""

    fields: Mapping[str, str]
    as_json: bool
    origin: str


class Forms:
    """The public side of sign-up forms."""

    def __init__(self, intake: Intake, durable: Durable, signer: Signer, base_url: str) -> None:
        self._intake, self._durable, self._signer = intake, durable, signer
        self._own = _origin(base_url)

    async def show(self, request: Request) -> Response:
        """Show the form on a page of ours."""
        form = await self._form(request)
        if form is None:
            return page(request, "missing", status=404)
        return form_page(language_for(request), form)

    async def allowed(self, request: Request) -> Response:
        """Tell a browser whether a page of its site may post this form."""
        form = await self._form(request)
        origin = request.headers.get("origin", "")
        if form is None or not self._may_post(form, origin):
            return Response(status_code=403)
        asked = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Content-Type",
                 "Access-Control-Max-Age": "86400"}  # fmt: skip
        return Response(status_code=204, headers={**_cors(origin), **asked})

    async def sign_up(self, request: Request) -> Response:
        """Take what somebody has typed, and ask the address to confirm it."""
        form = await self._form(request)
        typed = await self._typed(request)
        if form is None:
            return _problem(request, typed, 404, "There is no such form.")
        if not self._may_post(form, typed.origin):
            return _problem(request, typed, 403, "This page may not post this form.")
        if typed.fields.get(form.honeypot):
            log.info("sign-up by a machine", form=form.name)
            return self._asked(request, form, typed, Channel.EMAIL, "")
        found = await self._told(request, form, typed)
        if isinstance(found, str):
            return _problem(request, typed, 422, found, form)
        try:
            state = await self._durable.wait(self._intake.sign_up(found))
        except StoreError as error:
            log.error("sign-up not stored", error=type(error).__name__, detail=str(error))
            return _problem(request, typed, 503, "It could not be saved: try again in a minute.", form)
        if state == LIMITED:
            return _problem(
                request, typed, 429, "Too many requests came from here: try again in an hour.", form
            )
        return self._asked(request, form, typed, found.channel, found.value)

    async def confirm_code(self, request: Request) -> Response:
        """Confirm by the code that went to a phone."""
        form, typed = await self._form(request), await self._typed(request)
        if form is None:
            return _problem(request, typed, 404, "There is no such form.")
        if not self._may_post(form, typed.origin):
            return _problem(request, typed, 403, "This page may not post this form.")
        language = _language(request, typed)
        try:
            value = normalise(Channel.SMS, typed.fields.get("phone", ""), form.country or None)
        except BadAddress:
            return _problem(request, typed, 422, "Give the number that the code went to.", form)
        code = "".join(filter(str.isdigit, typed.fields.get("code", "")))[:12]
        state = await self._confirmed(request, by_code=(form.name, value, code))
        if typed.as_json:
            statuses = {DONE: 200, WRONG: 422, "": 503}
            return JSONResponse({"state": state or "trouble"}, statuses.get(state, 410), _cors(typed.origin))
        if state == DONE:
            return done_page(language)
        if state == WRONG:
            return code_page(language, form, value, wrong=True)
        return over_page(language) if state else page(request, "trouble", status=503)

    async def ask_confirm(self, request: Request) -> Response:
        """Show what is agreed to by the button; scanners follow every link, so this changes nothing."""
        token = self._read(request)
        words = None if token is None else await run_in_threadpool(self._intake.to_confirm, token)
        if words is None:
            return over_page(language_for(request))
        return confirm_page(language_for(request, words["language"]), words["text"], words["brand"])

    async def confirm(self, request: Request) -> Response:
        """Confirm by the button on that page."""
        token = self._read(request)
        words = None if token is None else await run_in_threadpool(self._intake.to_confirm, token)
        if token is None or words is None:
            return over_page(language_for(request))
        await read_body(request.scope, request.receive, LIMIT)
        state = await self._confirmed(request, asked=token)
        if not state:
            return page(request, "trouble", status=503)
        language = language_for(request, words["language"])
        return done_page(language) if state == DONE else over_page(language)

    async def _confirmed(
        self, request: Request, *, asked: tuple[int, int] = (0, 0),
        by_code: tuple[str, str, str] | None = None,
    ) -> str:  # fmt: skip
        """Return what became of it; "" where it could not be kept."""
        try:
            told = self._intake.confirm(evidence_of(request), asked=asked, by_code=by_code)
            return await self._durable.wait(told)
        except StoreError as error:
            log.error("confirmation not stored", error=type(error).__name__, detail=str(error))
            return ""

    def _read(self, request: Request) -> tuple[int, int] | None:
        try:
            return self._signer.read_confirm(request.path_params["token"])
        except BadToken:
            return None

    async def _form(self, request: Request) -> Form | None:
        name = request.path_params["form"]
        return None if "\0" in name else await run_in_threadpool(self._intake.form, name)

    async def _typed(self, request: Request) -> _Typed:
        body = await read_body(request.scope, request.receive, LIMIT)
        kind = request.headers.get("content-type", "")
        as_json = kind.partition(";")[0].strip().lower() == _JSON
        fields = _json_fields(body) if as_json else {k: v[-1] for k, v in form_lists(kind, body).items()}
        clean = {name: value.replace("\0", "").strip()[:2_000] for name, value in fields.items()}
        return _Typed(clean, as_json, request.headers.get("origin", ""))

    def _may_post(self, form: Form, origin: str) -> bool:
        """Say whether a page of that origin may post; what is no page of a browser names none."""
        return not form.origins or origin in ("", self._own, *form.origins)

    async def _told(self, request: Request, form: Form, typed: _Typed) -> Told | str:
        """Return what was typed, checked; else in words what is wrong."""
        email, phone = typed.fields.get("email", ""), typed.fields.get("phone", "")
        if bool(email) == bool(phone) or (email and not form.takes_email) or (phone and not form.takes_phone):
            both = form.takes_email and form.takes_phone
            return f"Give {'an e-mail address or a phone number' if both else _asks(form)}, and one only."
        if typed.fields.get("agreed", "").lower() not in ("yes", "true", "on", "1"):
            return "Tick the box to agree: nothing is sent without it."
        channel = Channel.EMAIL if email else Channel.SMS
        try:
            value = normalise(channel, email or phone, form.country or None)
        except BadAddress as error:
            return f"{error}."
        language = _language(request, typed)
        text = await self._words(form, language, typed.fields.get("version", ""))
        told = evidence_of(request)
        source = request.headers.get("referer", "") or typed.fields.get("source", "") or typed.origin
        evidence = {
            **told, "text": text, "version": version_of(text), "language": language,
            "source": source[:_LONGEST],
        }  # fmt: skip
        name = typed.fields.get("name", "")[:_LONGEST]
        return Told(form, channel, value, language, name, told.get("ip", ""), evidence)

    async def _words(self, form: Form, language: str, version: str) -> str:
        """Return the very words that were on the page: an old one may still show an older version of them."""
        asked = form.name, version[:64]
        seen = await run_in_threadpool(self._intake.form_text, *asked) if version else ""
        return seen or form.text(language).text

    def _asked(self, request: Request, form: Form, typed: _Typed, channel: Channel, value: str) -> Response:
        """Return the answer, the same for every address."""
        if typed.as_json:
            by = "code" if channel is not Channel.EMAIL else "link"
            return JSONResponse({"state": "asked", "confirm_by": by}, 202, _cors(typed.origin))
        if channel is not Channel.EMAIL:
            return code_page(_language(request, typed), form, value)
        if form.redirect:
            return RedirectResponse(form.redirect, 303, {"Cache-Control": "no-store"})
        return asked_page(_language(request, typed))


def _asks(form: Form) -> str:
    return "an e-mail address" if form.takes_email else "a phone number"


def _language(request: Request, typed: _Typed) -> str:
    """Return the language of the form that was filled in, else of the browser."""
    told = typed.fields.get("language", "")[:2].lower()
    return told if told in ("ru", "kk", "en") else language_for(request)


def _problem(request: Request, typed: _Typed, status: int, text: str, form: Form | None = None) -> Response:
    if typed.as_json:
        return JSONResponse({"state": "refused", "detail": text}, status, _cors(typed.origin))
    if form is None:
        return page(request, "missing", status=status)
    return form_page(_language(request, typed), form, trouble=status, kept=typed.fields)


def _json_fields(body: bytes) -> dict[str, str]:
    try:
        told: Any = msgspec.json.decode(body)  # takes no halves of characters, which nothing can store
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {
        str(name): ("yes" if value is True else str(value))
        for name, value in told.items()
        if isinstance(value, str | int | bool) and value is not False
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _cors(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin or "*", "Cache-Control": "no-store", "Vary": "Origin"}
