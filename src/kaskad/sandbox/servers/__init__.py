"""The servers, in one list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kaskad.domain.errors import Invalid
from kaskad.sandbox.server import Server
from kaskad.sandbox.servers.amazon_ses import AmazonSes
from kaskad.sandbox.servers.amocrm import AmoCrm
from kaskad.sandbox.servers.apprise import AppriseTarget
from kaskad.sandbox.servers.asterisk import Asterisk
from kaskad.sandbox.servers.bitrix24 import Bitrix24
from kaskad.sandbox.servers.exolve import ExolveSms, ExolveVoice
from kaskad.sandbox.servers.fcm import Fcm
from kaskad.sandbox.servers.mailgun import Mailgun
from kaskad.sandbox.servers.max import Max
from kaskad.sandbox.servers.messenger import Instagram, Messenger
from kaskad.sandbox.servers.postmark import Postmark
from kaskad.sandbox.servers.sendgrid import SendGrid
from kaskad.sandbox.servers.sendpulse import SendPulse
from kaskad.sandbox.servers.smpp import Smpp
from kaskad.sandbox.servers.smsc import Smsc
from kaskad.sandbox.servers.smtp import Smtp
from kaskad.sandbox.servers.telegram import Telegram
from kaskad.sandbox.servers.telegram_gateway import TelegramGateway
from kaskad.sandbox.servers.twilio import Twilio
from kaskad.sandbox.servers.twilio_sms import TwilioSms
from kaskad.sandbox.servers.umnico import Umnico
from kaskad.sandbox.servers.unisender import Unisender, UnisenderGo
from kaskad.sandbox.servers.viber import Viber
from kaskad.sandbox.servers.vk import Vk
from kaskad.sandbox.servers.vonage import Vonage
from kaskad.sandbox.servers.vonage_messages import VonageMessages
from kaskad.sandbox.servers.voximplant import Voximplant
from kaskad.sandbox.servers.webpush import WebPush
from kaskad.sandbox.servers.whatsapp import WhatsApp

SERVERS: Sequence[type[Server]] = (
    Smtp,
    Telegram,
    Smsc,
    Twilio,
    TwilioSms,
    Vonage,
    VonageMessages,
    ExolveSms,
    ExolveVoice,
    Voximplant,
    Umnico,
    Bitrix24,
    AmoCrm,
    Smpp,
    SendGrid,
    Mailgun,
    Postmark,
    AmazonSes,
    SendPulse,
    UnisenderGo,
    Unisender,
    Asterisk,
    WhatsApp,
    Messenger,
    Instagram,
    Fcm,
    WebPush,
    AppriseTarget,
    Vk,
    Max,
    Viber,
    TelegramGateway,
)
USUAL = ("smtp", "telegram", "smsc", "twilio")  # a cascade's four channels, where nothing else is asked for
EVERY = "all"


def chosen(names: Iterable[str]) -> list[type[Server]]:
    """Return the servers of these names, in the list's order; `all` is every one. Raises Invalid."""
    wanted = set(names)
    known = {server.name for server in SERVERS}
    if unknown := sorted(wanted - known - {EVERY}):
        raise Invalid([f"There is no server {name!r}: choose {', '.join(sorted(known))}" for name in unknown])
    return [server for server in SERVERS if EVERY in wanted or server.name in wanted]


def services(servers: Iterable[type[Server]]) -> dict[str, frozenset[str]]:
    """Return, by server and by channel, the kinds of faults that can be set."""
    told: dict[str, frozenset[str]] = {}
    for server in servers:
        for name in (*server.channels, server.name):
            told[name] = told.get(name, frozenset()) | server.honours
    return told
