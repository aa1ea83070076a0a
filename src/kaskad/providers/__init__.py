"""The providers, by name."""

from __future__ import annotations

from collections.abc import Mapping

from kaskad.domain.errors import NotFound
from kaskad.providers.amazon_ses import AmazonSes
from kaskad.providers.amocrm import AmoCrm
from kaskad.providers.apprise import Apprise
from kaskad.providers.asterisk import Asterisk
from kaskad.providers.base import Provider
from kaskad.providers.bitrix24 import Bitrix24
from kaskad.providers.desk import Desk
from kaskad.providers.facebook_messenger import FacebookMessenger
from kaskad.providers.fcm import Fcm
from kaskad.providers.generic_webhook import GenericWebhook
from kaskad.providers.instagram import Instagram
from kaskad.providers.mailgun import Mailgun
from kaskad.providers.max import Max
from kaskad.providers.mts_exolve import MtsExolve
from kaskad.providers.mts_exolve_voice import MtsExolveVoice
from kaskad.providers.postmark import Postmark
from kaskad.providers.sendgrid import SendGrid
from kaskad.providers.sendpulse import SendPulse
from kaskad.providers.smpp import Smpp
from kaskad.providers.smsc_ru import SmscRu
from kaskad.providers.smtp import Smtp
from kaskad.providers.telegram import Telegram
from kaskad.providers.telegram_gateway import TelegramGateway
from kaskad.providers.twilio import Twilio
from kaskad.providers.twilio_voice import TwilioVoice
from kaskad.providers.umnico import Umnico
from kaskad.providers.unisender import Unisender
from kaskad.providers.unisender_go import UnisenderGo
from kaskad.providers.viber import Viber
from kaskad.providers.vk import Vk
from kaskad.providers.vonage import Vonage
from kaskad.providers.vonage_messages import VonageMessages
from kaskad.providers.voximplant import Voximplant
from kaskad.providers.webpush import WebPush
from kaskad.providers.whatsapp import WhatsApp

PROVIDERS: Mapping[str, Provider] = {
    each.name: each
    for each in (
        AmazonSes(),
        Apprise(),
        AmoCrm(),
        Asterisk(),
        Bitrix24(),
        FacebookMessenger(),
        Fcm(),
        Desk(),
        GenericWebhook(),
        Instagram(),
        Mailgun(),
        Max(),
        MtsExolve(),
        MtsExolveVoice(),
        Postmark(),
        SendGrid(),
        SendPulse(),
        Smpp(),
        SmscRu(),
        Smtp(),
        Telegram(),
        TelegramGateway(),
        Twilio(),
        TwilioVoice(),
        Umnico(),
        Unisender(),
        UnisenderGo(),
        Viber(),
        Vk(),
        Vonage(),
        VonageMessages(),
        Voximplant(),
        WebPush(),
        WhatsApp(),
    )
}


def provider(name: str) -> Provider:
    """Return the provider with this name; raises NotFound with the names that exist."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise NotFound(f"There is no provider {name!r}; there are: {', '.join(sorted(PROVIDERS))}") from None
