"""Apprise, for all that has no adapter of its own: https://github.com/caronc/apprise

A hundred services behind one library, each by a URL: https://github.com/caronc/apprise/wiki. The
account's has `{to}` where the address of a person goes. The library says yes or no, and never for certain
why not: a "no" may be a service that has refused, or one whose answer was lost, so it ends as unknown.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import parse_qs, quote, urlsplit

from msgspec import Struct

from kaskad.domain.errors import SendError
from kaskad.domain.terms import Channel, Reason
from kaskad.providers.base import Accepted, Account, Capabilities, Outgoing, Provider, Setting

PLACE = "{to}"
LONGEST_DETAIL = 300


class Note(Struct, frozen=True):
    """What the library is given; `html` says how the body is written."""

    url: str
    title: str
    body: str
    html: bool = False


class Verdict(Struct, frozen=True):
    """What the library says. `taken` None: it knows no service of such a URL, and has sent nothing."""

    taken: bool | None
    words: tuple[str, ...] = ()  # its warnings


class Apprise(Provider):
    """Any channel through a service that Apprise knows; it tells nothing afterwards."""

    name = "apprise"
    title = "Apprise"
    channels: ClassVar[frozenset[Channel]] = frozenset(Channel)
    settings = (
        Setting("service_url", secret=True,
                help="As Apprise has it, with {to} where the address goes: ntfys://ntfy.example.org/{to}"),
        Setting("title", required=False, help="Of messages without a subject"),
    )  # fmt: skip
    connect = (
        "Find the service in [Apprise's list](https://github.com/caronc/apprise/wiki) and write its URL, "
        "with `{to}` in place of the recipient; name the `channel` that it serves.",
        "It then carries that channel's messages to people, beside other accounts of it. Only for alarms? "
        "Add it with `--disabled` (in the pages: pause it): alarms and tests go through it all the same.",
        "Try it: `kaskad send-test ACCOUNT TO`. A message that Apprise could not send counts as unknown and "
        "is not sent again, since Apprise does not say whether the service has it.",
    )
    judges = ("apprise",)
    capabilities = Capabilities(concurrency=4, per_second=5.0, burst=5)
    transport = "apprise"

    def check(self, account: Account) -> list[str]:
        url, told = account["service_url"], []
        if "://" not in url:
            told.append("setting 'service_url': it begins with the service's name and ://, such as ntfys://")
        if PLACE not in url:
            told.append("setting 'service_url': write {to} where the address of the person goes")
        if any(value != "0" for value in _query(url).get("retry", [])):
            told.append("setting 'service_url': leave `retry` out, so that no message is sent twice")
        return told

    def build_note(self, outgoing: Outgoing, account: Account) -> Note:
        """Return what to say to whom; raises SendError where there is nothing to say."""
        url = account["service_url"].replace(PLACE, quote(outgoing.to, safe=""))
        title = outgoing.subject or account["title"]
        if outgoing.html:
            return Note(url, title, outgoing.html, html=True)
        text = outgoing.text or outgoing.say or outgoing.script
        # A hundred services have a hundred kinds of buttons, or none: their links are written out.
        links = [f"{button.text}: {button.url}" for button in outgoing.buttons if button.url]
        body = "\n".join([text, *links] if text else links)
        if not body:
            raise SendError(Reason.CONTENT, "there is no text, and Apprise is given nothing else")
        return Note(url, title, body)

    def read_verdict(self, verdict: Verdict, to: str) -> Accepted:
        """Return what a yes means; raises SendError for all else."""
        if verdict.taken:
            return Accepted()
        if verdict.taken is None:
            raise SendError(Reason.AUTH, "Apprise knows no service of such a URL: look at its `service_url`")
        words = "; ".join(verdict.words).replace(to, "…")[:LONGEST_DETAIL]
        told = (
            f"Apprise could not send it, and does not say whether the service has it ({words or 'no word'})"
        )
        raise SendError(Reason.AMBIGUOUS, told, accepted=None)


def _query(url: str) -> dict[str, list[str]]:
    try:
        return parse_qs(urlsplit(url).query)
    except ValueError:
        return {}
