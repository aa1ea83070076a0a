"""What pages say about providers: their settings, how an account is set up, how well each is verified."""

from __future__ import annotations

import re

from kaskad.providers.base import Provider, Setting
from kaskad.providers.evidence import Level
from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look

PLACE = "https://…/hooks/<account>"  # how the steps write an account's webhook address
_link = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")  # as Markdown has it
LEVELS = {
    Level.LIBRARY: (N_("checked against the service's own software"), "good"),
    Level.SPECIFICATION: (N_("checked against the service's description"), "good"),
    Level.PAYLOADS: (N_("checked against the service's examples"), "info"),
    Level.DOCUMENTATION: (N_("made by the service's documentation"), ""),
    Level.OWN: (N_("part of Kaskad"), "good"),
}
LABELS = {  # of settings that many providers have; others are shown by their names
    "base_url": N_("Address of the service"),
    "sender": N_("Sender"),
    "api_key": N_("API key"),
    "token": N_("Token"),
    "access_token": N_("Access token"),
    "webhook_secret": N_("Secret of webhooks"),
    "reply_to": N_("Replies go to"),
    "reply_domain": N_("Domain of replies"),
    "tracking": N_("Tracking by the service"),
    "password": N_("Password"),
    "user": N_("User"),
    "login": N_("Login"),
    "host": N_("Server"),
    "port": N_("Port"),
    "security": N_("Encryption"),
    "title": N_("Title"),
    "language": N_("Language"),
    "caller": N_("Caller's number"),
    "voice": N_("Voice"),
    "mode": N_("How answers come"),
    "bot": N_("Bot"),
    "page": N_("Page"),
    "url": N_("Address"),
    "secret": N_("Secret"),
    "old_secret": N_("Old secret"),
    "domain": N_("Domain"),
    "region": N_("Region"),
    "agents": N_("Agents"),
    "hours": N_("Working hours"),
    "days": N_("Working days"),
    "zone": N_("Time zone"),
    "phone": N_("Phone number"),
    "services": N_("Services"),
    "bounces": N_("Bounces go to"),
    "bounce_domain": N_("Domain of bounces"),
    "bounce_secret": N_("Secret of bounces"),
    "dkim_domain": N_("DKIM: domain"),
    "dkim_selector": N_("DKIM: selector"),
    "dkim_key": N_("DKIM: private keys"),
    "callback_secret": N_("Secret of reports"),
    "private_key": N_("Private key"),
    "public_key": N_("Public key"),
    "service_account": N_("Service account"),
    "alphabet": N_("Alphabet"),
    "call_minutes": N_("Minutes for a call"),
    "sla_hours": N_("Hours until a call is late"),
    "tasks_a_day": N_("Calls a day"),
    "icon": N_("Picture"),
    "contact": N_("Contact"),
    "code": N_("Code"),
}
CHOICES = {  # values of settings that are words; others are shown as they are
    "none": N_("none"),
    "every": N_("every day"),
    "mon-sat": N_("Monday to Saturday"),
    "mon-fri": N_("Monday to Friday"),
}


def label_of(look: Look, setting: Setting) -> str:
    """Return how a setting is called; one that only its provider has, by the provider's name for it."""
    return look._(LABELS[setting.name]) if setting.name in LABELS else setting.name


def choice_of(look: Look, setting: Setting, value: str) -> str:
    """Return how a value of a setting is called; what was typed is shown as it is."""
    return look._(CHOICES[value]) if value in setting.choices and value in CHOICES else value


def steps_of(look: Look, provider: Provider | None, webhook_url: str) -> list[str]:
    """Return how an account is set up at its service, with the address to be told there."""
    if provider is None:
        return []
    told = [look._(step).replace(PLACE, webhook_url or PLACE) for step in provider.connect]
    return [_link.sub(_without_link, step) for step in told]


def _without_link(found: re.Match[str]) -> str:
    """Return a link's text, with its address unless that is within our documentation."""
    return f"{found[1]} ({found[2]})" if ":" in found[2] else found[1]
