"""The providers, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from difflib import get_close_matches
from importlib import import_module

from kaskad.domain.errors import NotFound, Unavailable
from kaskad.providers.base import Provider

_CLASSES = {  # of each, by its name, which is that of its file too
    "amazon_ses": "AmazonSes",
    "apprise": "Apprise",
    "amocrm": "AmoCrm",
    "asterisk": "Asterisk",
    "bitrix24": "Bitrix24",
    "facebook_messenger": "FacebookMessenger",
    "fcm": "Fcm",
    "desk": "Desk",
    "generic_webhook": "GenericWebhook",
    "instagram": "Instagram",
    "mailgun": "Mailgun",
    "max": "Max",
    "mts_exolve": "MtsExolve",
    "mts_exolve_voice": "MtsExolveVoice",
    "postmark": "Postmark",
    "sendgrid": "SendGrid",
    "sendpulse": "SendPulse",
    "smpp": "Smpp",
    "smsc_ru": "SmscRu",
    "smtp": "Smtp",
    "telegram": "Telegram",
    "telegram_gateway": "TelegramGateway",
    "twilio": "Twilio",
    "twilio_voice": "TwilioVoice",
    "umnico": "Umnico",
    "unisender": "Unisender",
    "unisender_go": "UnisenderGo",
    "viber": "Viber",
    "vk": "Vk",
    "vonage": "Vonage",
    "vonage_messages": "VonageMessages",
    "voximplant": "Voximplant",
    "webpush": "WebPush",
    "whatsapp": "WhatsApp",
}


class _Providers(MutableMapping[str, Provider]):
    """All providers; a file is read once its provider is asked for.

    Together they take a third of a second and 25 MiB, and the processes that send and that take webhooks
    need those of the installation's accounts only.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._known: dict[str, str | Provider] = dict(classes)  # a class whose file has not been read, or …

    def __getitem__(self, name: str) -> Provider:
        known = self._known[name]
        if isinstance(known, str):
            made = getattr(import_module(f"{__name__}.{name}"), known)()
            assert isinstance(made, Provider)
            known = self._known[name] = made
        return known

    def __setitem__(self, name: str, one: Provider) -> None:
        self._known[name] = one

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


PROVIDERS = _Providers(_CLASSES)


def provider(name: str) -> Provider:
    """Return the provider with this name; raises NotFound with the names that exist, Unavailable where its
    file has changed under a program that runs.
    """
    if name not in PROVIDERS:
        near = get_close_matches(name, PROVIDERS, n=1)
        meant = f"; did you mean {near[0]!r}? There are" if near else "; there are"
        raise NotFound(f"There is no provider {name!r}{meant}: {', '.join(sorted(PROVIDERS))}")
    try:
        return PROVIDERS[name]
    except ImportError as error:
        raise Unavailable(f"The provider {name!r} cannot be read: {error}. Start Kaskad again.") from error
