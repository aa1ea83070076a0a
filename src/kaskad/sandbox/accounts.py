"""The sandbox's credentials, and the accounts with which Kaskad uses it."""

from __future__ import annotations

from msgspec import Struct

MAIL, CHAT, SMS, ROBOT = "mail", "telegram", "sms", "robot-call"  # the accounts' names: webhooks carry them


class Credentials(Struct, frozen=True):
    """What the services know of their one client. They protect nothing: all is on this machine."""

    telegram_token: str = "7000000001:only-for-the-sandbox-000000000000000"
    telegram_secret: str = "only-for-the-sandbox"
    bot_name: str = "kaskad_sandbox_bot"
    smtp_user: str = ""  # "": mails are taken without a login
    smtp_password: str = ""
    bounce_secret: str = "only-for-the-sandbox"
    smsc_login: str = "sandbox"
    smsc_password: str = "only-for-the-sandbox"
    smsc_key: str = "sandbox-only-key"
    smsc_secret: str = "only-for-the-sandbox"
    twilio_sid: str = "AC" + "0" * 31 + "1"
    twilio_token: str = "0" * 31 + "1"
    twilio_number: str = "+15005550006"


class Place(Struct, frozen=True):
    """Where the servers listen."""

    http_url: str
    smtp_host: str
    smtp_port: int


def accounts(place: Place, keys: Credentials) -> list[dict[str, object]]:
    """Return the accounts, as an accounts.yaml has them; prices are those of the field's articles."""
    smtp: dict[str, object] = {
        "host": place.smtp_host, "port": place.smtp_port, "security": "none",
        "sender": "The shop <shop@example.org>", "bounce_domain": "bounces.example.org",
        "bounce_secret": keys.bounce_secret,
    }  # fmt: skip
    if keys.smtp_user:
        smtp |= {"user": keys.smtp_user, "password": keys.smtp_password}
    return [
        {"name": MAIL, "provider": "smtp", "settings": smtp, "price": "0.05 KZT"},
        {
            "name": CHAT, "provider": "telegram",
            "settings": {
                "base_url": f"{place.http_url}/telegram", "token": keys.telegram_token, "bot": keys.bot_name,
                "secret_token": keys.telegram_secret,
            },
            "price": "0 KZT",
        },
        {
            "name": SMS, "provider": "smsc_ru",
            "settings": {
                "base_url": f"{place.http_url}/smsc", "login": keys.smsc_login,
                "password": keys.smsc_password, "callback_secret": keys.smsc_secret,
            },
            "price": "15 KZT per part",
        },
        {
            "name": ROBOT, "provider": "twilio_voice",
            "settings": {
                "base_url": f"{place.http_url}/twilio", "account_sid": keys.twilio_sid,
                "auth_token": keys.twilio_token, "caller": keys.twilio_number,
            },
            "price": "37.50 KZT",
        },
    ]  # fmt: skip
