"""How the words of the glossary read to people: a table a kind, English; Russian is in the catalogue."""

from __future__ import annotations

from kaskad.web.pages.i18n import N_

CASCADES = {
    "draft": N_("draft"),
    "active": N_("active"),
    "paused": N_("paused"),
    "stopped": N_("stopped"),
}
LAUNCHES = {
    "running": N_("under way"),
    "paused": N_("paused"),
    "done": N_("done"),
    "stopped": N_("stopped"),
}
LEVELS = {
    "delivered": N_("A message was delivered to"),
    "seen": N_("A message was seen by"),
    "seen_or_sms_delivered": N_("Seen, or an SMS delivered"),
    "reacted": N_("Reacted"),
}
OUTCOMES = {
    "converted": N_("reached the goal"),
    "responded": N_("responded"),
    "exhausted": N_("all steps tried, silent"),
    "unreachable": N_("could not be reached"),
    "opted_out": N_("opted out"),
    "complained": N_("complained"),
    "expired": N_("out of time"),
    "superseded": N_("entered anew"),
    "cancelled": N_("cancelled"),
    "failed": N_("failed"),
}
SKIPS = {
    "no_address": N_("no address"),
    "no_consent": N_("no consent"),
    "suppressed": N_("on the stop list"),
    "address_invalid": N_("the address does not work"),
    "frequency_capped": N_("too many messages lately"),
    "policy_denied": N_("not allowed by law or policy"),
    "no_template": N_("no template"),
    "window_impossible": N_("no permitted hour in time"),
    "too_late": N_("too late"),
    "duplicate_address": N_("shares an address"),
    "step_holdout": N_("held out of the step"),
    "provider_disabled": N_("no account in service"),
    "condition_false": N_("the step's condition"),
    "over_budget": N_("over budget"),
}
REASONS = {
    "other": N_("other"),
    "invalid_address": N_("wrong address"),
    "doubtful_address": N_("address in doubt"),
    "opted_out": N_("opted out at the provider"),
    "content": N_("content refused"),
    "window": N_("outside the permitted time"),
    "rate_limited": N_("too fast for the provider"),
    "transient": N_("temporary trouble"),
    "auth": N_("the account is refused"),
    "ambiguous": N_("the answer was lost"),
    "busy": N_("busy"),
    "no_answer": N_("nobody picked up"),
    "unreachable": N_("out of reach"),
}
CHANNELS = {
    "email": N_("email"),
    "telegram": N_("Telegram"),
    "whatsapp": N_("WhatsApp"),
    "viber": N_("Viber"),
    "vk": N_("VK"),
    "max": N_("MAX"),
    "push": N_("push"),
    "sms": N_("SMS"),
    "robot_call": N_("robot call"),
    "agent_call": N_("call by a person"),
    "facebook_messenger": N_("Messenger"),
    "instagram": N_("Instagram"),
}
ROLES = {
    "owner": N_("owner"),
    "marketer": N_("marketer"),
    "agent": N_("agent"),
    "viewer": N_("viewer"),
}
COUNTS = {
    "sent": N_("sent"),
    "delivered": N_("delivered"),
    "seen": N_("seen"),
    "reacted": N_("reacted"),
    "first": N_("first"),
    "waiting": N_("waiting"),
    "failed": N_("failures"),
    "unknown": N_("unheard"),
    "machine": N_("scanners"),
}
AUDIENCES = {
    "everybody": N_("everybody"),
    "list": N_("list"),
    "segment": N_("segment"),
    "some_list": N_("a list"),
}
WORDS = {
    "count": COUNTS,
    "audience": AUDIENCES,
    "state": CASCADES,
    "launch": LAUNCHES,
    "level": LEVELS,
    "outcome": OUTCOMES,
    "skip": SKIPS,
    "reason": REASONS,
    "channel": CHANNELS,
    "role": ROLES,
}


def icon(name: str) -> str:
    """Return the name as it is: the build looks for icon("…") and puts just these into the sprite."""
    return name


CHANNEL_ICONS = {
    "email": icon("mail"),
    "telegram": icon("send"),
    "whatsapp": icon("message-circle"),
    "viber": icon("message-circle-more"),
    "vk": icon("message-square"),
    "max": icon("message-square-more"),
    "push": icon("bell"),
    "sms": icon("message-square-text"),
    "robot_call": icon("bot"),
    "agent_call": icon("headset"),
    "facebook_messenger": icon("messages-square"),
    "instagram": icon("camera"),
}
