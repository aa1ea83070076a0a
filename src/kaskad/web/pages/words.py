"""How the words of the glossary read to people: a table a kind, English; Russian is in the catalogue."""

from __future__ import annotations

from kaskad.web.pages.i18n import N_

RESTING = {
    "run": N_("A run"),
    "hits": N_("Clicks and openings"),
    "launches": N_("Entries by launches"),
    "dates": N_("Entries by dates"),
    "tidying": N_("Tidying up"),
    "orphans": N_("Receipts that came early"),
    "receipts": N_("Messages nothing is told of"),
    "retention": N_("Keeping periods"),
    "returns": N_("Past returns"),
    "counting": N_("Counting"),
    "entries": N_("Entries by launches and dates"),  # of older releases
    "spare": N_("Housekeeping and counting"),
}
CASCADES = {
    "draft": N_("draft"),
    "active": N_("active"),
    "paused": N_("paused"),
    "stopped": N_("stopped"),
}
FUNNEL = {
    "delivered": N_("Delivered to"),
    "seen": N_("Have seen"),
    "reacted": N_("Reacted"),
    "goals": N_("Came to the goal"),
}
FORETOLD = {
    "entered": N_("entered"),
    "reached": N_("react"),
    "silent": N_("stay silent"),
    "messages": N_("messages"),
    "converted": N_("reach the goal"),
    "cost": N_("cost"),
}
LAUNCHES = {
    "planned": N_("planned"),
    "missed": N_("missed its date"),
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
    "control_group": N_("in the control group of all advertising"),
    "step_paused": N_("the step is paused"),
}
REASONS = {
    "other": N_("other"),
    "invalid_address": N_("wrong address"),
    "doubtful_address": N_("address in doubt"),
    "opted_out": N_("opted out at the provider"),
    "carrier_refused": N_("refused at the carrier"),
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
CALLS = {  # how a call ended that nobody took: the `code` of its failure
    "busy": N_("busy"),
    "no_answer": N_("nobody picked up"),
    "unreachable": N_("out of reach"),
    "invalid_number": N_("there is no such number"),
    "rejected": N_("the person declined the call"),
    "carrier_blocked": N_("the network let the call not through"),
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
    "approver": N_("approver"),
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
ENTRIES = {
    "trigger condition": N_("do not meet the trigger's condition"),
    "already in": N_("are in it already"),
    "once ever": N_("have been in it, and may once only"),
    "same key": N_("have been in it for the same reason"),
    "cooldown": N_("were in it too lately"),
    "control group": N_("are in the control group of all advertising"),
}
FIGURES = {
    "entered": N_("Who entered"),
    "under_way": N_("Who is under way"),
    "holdouts": N_("Who is held out"),
    "goals": N_("Who came to the goal"),
    "returned": N_("Whose order came back"),
    "reached": N_("Who was reached"),
    "sent": N_("To whom it was sent"),
    "delivered": N_("To whom it was delivered"),
    "seen": N_("Who has seen it"),
    "reacted": N_("Who reacted"),
    "opened": N_("Who opened it"),
    "clicked": N_("Who clicked"),
    "machine": N_("Where a machine opened or clicked"),
    "suspected": N_("Where a click is in doubt"),
    "first": N_("Who reacted to this first of all"),
    "silent": N_("Who is silent"),
    "failed": N_("Whom it did not reach"),
    "unknown": N_("Of whom nothing was heard back"),
    "waiting": N_("Whose message waits"),
    "skipped": N_("Who was passed over"),
}
AUDIENCES = {
    "everybody": N_("everybody"),
    "trigger": N_("who enters by"),
    "list": N_("list"),
    "segment": N_("segment"),
    "some_list": N_("a list"),
    "seed": N_("seed contacts"),
}
DAYS = {
    "every": N_("every day"),
    "not_holidays": N_("not on holidays"),
    "working": N_("on working days"),
}
CLASSES = {
    "advertising": N_("advertising"),
    "service": N_("service"),
    "transactional": N_("transactional"),
    "emergency": N_("emergency"),
}
MESSAGE_STATES = {
    "created": N_("is being made"),
    "queued": N_("waits to be sent"),
    "submitted": N_("handed over"),
    "sent": N_("was sent"),
    "delivered": N_("was delivered"),
    "read": N_("was read"),
    "rejected": N_("was refused"),
    "failed": N_("has failed"),
    "bounced": N_("came back"),
    "expired": N_("ran out of time"),
    "unknown": N_("fate unknown"),
    "skipped": N_("was passed over"),
    "cancelled": N_("was cancelled"),
}
HAPPENED = {
    "sent": N_("was sent"),
    "delivered": N_("was delivered"),
    "opened": N_("opened"),
    "read": N_("read"),
    "answered": N_("picked up"),
    "clicked": N_("clicked"),
    "replied": N_("replied"),
    "rejected": N_("was refused"),
    "failed": N_("has failed"),
    "bounced": N_("came back"),
    "expired": N_("ran out of time"),
    "unknown": N_("fate unknown"),
    "unsubscribed": N_("unsubscribed"),
    "complained": N_("complained"),
    "machine_opened": N_("opened by a machine"),
    "machine_clicked": N_("clicked by a machine"),
    "suspected_clicked": N_("clicked, perhaps by a machine"),
    "machine_answered": N_("an answering machine picked up"),
    "soft_bounced": N_("the mailbox did not take it for now"),
    "keypress": N_("pressed a key"),
    "asked_agent": N_("asked for a person"),
    "in_doubt": N_("the answer was lost"),
    "no_answer": N_("nobody picked up"),
    "call_back": N_("asked to be called later"),
    "goal": N_("reached the goal"),
    "cancelled": N_("was cancelled"),
    "superseded": N_("entered anew"),
    "erased": N_("was erased"),
    "anchor_cancelled": N_("the appointment was cancelled"),
    "returned": N_("brought back what was bought"),
    "enters": N_("was to enter a cascade"),
    "entered": N_("entered the cascade"),
    "ended": N_("the cascade is over"),
    "agreed": N_("agreed to messages"),
    "refused": N_("refused messages"),
}
TASK_STATES = {
    "open": N_("waits for an agent"),
    "claimed": N_("is being called"),
    "done": N_("the call is over"),
    "withdrawn": N_("withdrawn"),
    "expired": N_("ran out of time"),
}
DISPOSITIONS = {
    "reached_agreed": N_("Reached, agreed"),
    "reached_refused": N_("Reached, refused"),
    "callback_at": N_("Call back later"),
    "no_answer": N_("No answer"),
    "wrong_number": N_("Wrong number"),
    "do_not_call": N_("Do not call again"),
}
HEALTH = {
    "good": N_("works"),
    "invalid": N_("does not work"),
    "suppressed": N_("stop list"),
    "undeliverable": N_("takes no mail"),
}
WAITED = {
    "delivered": N_("Delivered"),
    "opened": N_("Opened"),
    "read": N_("Read"),
    "answered": N_("Answered the call"),
    "clicked": N_("Clicked"),
    "replied": N_("Replied"),
    "reacted": N_("Reacted in any way"),
    "none": N_("Nothing"),
}
KEY_PRESSES = {
    "confirm": N_("confirms"),
    "agent": N_("a person calls back"),
    "opt_out": N_("never call again"),
}
APPROVED_STATES = {
    "draft": N_("draft"),
    "pending": N_("is looked at"),
    "approved": N_("approved"),
    "rejected": N_("rejected"),
    "paused": N_("paused"),
    "disabled": N_("switched off"),
}
NAMELESS = {  # who acts without a user or a key of their own
    "local": N_("on the server"),
    "link": N_("by the server's link"),
    "settings": N_("with the key in the settings"),
}
WORDS = {
    "approved_state": APPROVED_STATES,
    "waited": WAITED,
    "press": KEY_PRESSES,
    "health": HEALTH,
    "class": CLASSES,
    "message": MESSAGE_STATES,
    "happened": HAPPENED,
    "task": TASK_STATES,
    "disposition": DISPOSITIONS,
    "count": COUNTS,
    "audience": AUDIENCES,
    "days": DAYS,
    "state": CASCADES,
    "launch": LAUNCHES,
    "foretold": FORETOLD,
    "funnel": FUNNEL,
    "level": LEVELS,
    "outcome": OUTCOMES,
    "skip": SKIPS,
    "reason": REASONS,
    "call": CALLS,
    "channel": CHANNELS,
    "role": ROLES,
    "entry": ENTRIES,
    "figure": FIGURES,
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
