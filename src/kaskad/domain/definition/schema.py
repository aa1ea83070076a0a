"""The keys of a definition: one table for the reader, for JSON Schema and for the reference page."""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.guard import Then
from kaskad.domain.terms import Channel, MessageClass, Reaction

Schema = dict[str, object]

_TEXT: Schema = {"type": "string", "minLength": 1}
_SLUG: Schema = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$"}
_PEOPLE: Schema = {"type": "string", "minLength": 1, "maxLength": 100}  # a list's or segment's name
_NAME: Schema = {"type": ["string", "integer"]}
_SPAN: Schema = {
    "type": "string",
    "description": "A duration: 24h, 2d, 30m, or ISO 8601 (PT24H elapsed, P1D by the calendar).",
    "pattern": "^\\s*([Pp].+|(\\d+\\s*(ms|s|m|min|h|d|w|mo)\\s*)+)$",
}
_PERCENT: Schema = {"type": "string", "pattern": "^\\d{1,3}(\\.\\d{1,2})?\\s*%$"}
_MONEY: Schema = {"type": "string", "pattern": "^\\s*\\d[\\d _.,\\u00a0\\u202f]*[A-Za-z]{3}\\s*$"}
_CONDITION: Schema = {"type": ["string", "boolean"]}
_CHANNEL: Schema = {"enum": [channel.value for channel in Channel]}
_REACTION: Schema = {"enum": [reaction.value for reaction in Reaction if reaction is not Reaction.NONE]}

ACTIONS = ("confirm", "agent", "opt_out")
ON_FAIL = ("next", "retry", "stop")
REENTRY = ("once_ever", "after_finish", "restart", "parallel_by_key")


GROUPS = ("language", "country")  # of people, for whom channels are learnt apart


WON_BY = ("delivered", "seen", "opened", "clicked", "reacted", "goal")


class Key(Struct, frozen=True):
    about: str
    schema: Schema
    required: bool = False


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _list(items: Schema, **more: object) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, **more}


CONTENT: dict[str, Key] = {
    "template": Key("A saved template, instead of texts here.", _SLUG),
    "subject": Key("Subject of the mail, title of the push.", _TEXT),
    "html": Key("Body of the mail as HTML.", _TEXT),
    "mjml": Key("Body of the mail as MJML.", _TEXT),
    "text": Key("Text of the message; of a mail, its text part.", _TEXT),
    "say": Key("What the robot says.", _TEXT),
    "script": Key("What the agent reads.", _TEXT),
    "buttons": Key("Buttons under the message.", _list(_ref("button"), maxItems=10)),
    "media": Key("Addresses of pictures or files.", _list(_TEXT, maxItems=10)),
    "approved": Key("A text that the service has approved, for when it takes no free one.", _ref("approved")),
    "attach": Key("Saved files that go with the mail.", _list(_ref("attached"), maxItems=10)),
    "calendar": Key("An appointment that goes with the mail.", _ref("calendar")),
}

KEYS: dict[str, dict[str, Key]] = {
    "cascade": {
        "cascade": Key("Unique name of the cascade.", _SLUG, required=True),
        "title": Key("Name for people.", _TEXT),
        "class": Key(
            "What kind of message it is to law and caps.",
            {"enum": [member.value for member in MessageClass]},
            required=True,
        ),
        "topic": Key("Subscription category that a contact can leave.", _SLUG),
        "brand": Key("Brand in whose name it is sent.", _SLUG),
        "to": Key("Where the event tells which of the contact's addresses is meant: trigger.email.", _NAME),
        "utm": Key("Parameters that links get, so that the shop's own figures know them.", _ref("utm")),
        "trigger": Key("What enrols contacts.", _ref("trigger"), required=True),
        "reentry": Key(
            "When a contact may enter again; after_finish of 7 days if not given.",
            {"oneOf": [{"enum": list(REENTRY)}, _ref("reentry")]},
        ),
        "goal": Key("The business event that ends every run.", _ref("goal")),
        "stop_on": Key("Reactions that end the run whatever a step asks for.", _list({"enum": ["reply"]})),
        "exit_if": Key("Ends the run; looked at before every step.", _CONDITION),
        "holdout": Key("Share of contacts that get nothing, to measure against.", _PERCENT),
        "priority": Key("Who goes first in one class.", {"type": "integer", "minimum": 0, "maximum": 100}),
        "budget": Key("What it may cost.", _ref("budget")),
        "guard": Key("What may befall its messages before it is paused.", _ref("guard")),
        "seeds": Key("Seed contacts get every launch too.", {"type": "boolean"}),
        "max_lateness": Key("How late a step may still be sent after an outage.", _SPAN),
        "urgent": Key("May cross brand windows and caps; not for advertising.", {"type": "boolean"}),
        "steps": Key("The steps in order.", _list(_ref("step"), maxItems=50), required=True),
        "branches": Key("Reactions that lead to another step.", _list(_ref("branch"), maxItems=50)),
    },
    "trigger": {
        "event": Key("An event of the business enrols.", _NAME),
        "key": Key("Property of the event that makes it one and the same.", _NAME),
        "delay": Key("How long after the event the first step is due.", _SPAN),
        "if": Key("Only events, or dates, for which this holds.", _CONDITION),
        "broadcast": Key("A segment or list is enrolled at launch; `all` is everybody.", _PEOPLE),
        "pace": Key(
            "How fast a broadcast enrols: 1000/h, 20/m.",
            {"type": "string", "pattern": "^\\d+\\s*/\\s*[smhd]$"},
        ),
        "segment": Key("Whoever becomes a member of this segment is enrolled.", _PEOPLE),
        "date": Key("Date attribute of the contact that enrols in time for the first step.", _NAME),
        "every": Key("Not once, but each year, such as a birthday.", {"enum": ["year"]}),
        "before": Key("How many days or months before the date.", _SPAN),
        "after": Key("How many days or months after the date.", _SPAN),
        "at": Key(
            "At what time of that day by the contact's clock; 10:00 if not given.",
            {"type": "string", "pattern": "^([01]?\\d|2[0-3]):[0-5]\\d$"},
        ),
    },
    "utm": {
        "source": Key("utm_source, a template; `none` where the policy's is not wanted.", _TEXT),
        "medium": Key("utm_medium.", _TEXT),
        "campaign": Key("utm_campaign.", _TEXT),
        "content": Key("utm_content.", _TEXT),
        "term": Key("utm_term.", _TEXT),
        "domains": Key(
            "Only links that lead to these domains and those below them; all if not given.",
            _list(_TEXT, maxItems=20),
        ),
    },
    "reentry": {"after_finish": Key("Again so long after the last run has ended.", _SPAN, required=True)},
    "goal": {
        "event": Key("Name of the event.", _NAME, required=True),
        "match": Key(
            "Property of the event and the value of the run it must equal; of lists, in one item at least.",
            {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
        ),
        "within": Key("How long the goal counts; 7 days if not given.", _SPAN),
        "value": Key("Property of the event that holds its worth.", _NAME),
        "returned": Key("The event that tells that an order came back.", _ref("returned")),
    },
    "returned": {
        "event": Key("Name of the event.", _NAME, required=True),
        "value": Key(
            "Property of this event with the amount given back; without it, all that the goal was worth.",
            _NAME,
        ),
        "order": Key(
            "Property that names the order, in this event and in the goal's; without it, the person's "
            "last goal before the return.",
            _NAME,
        ),
    },
    "budget": {
        "total": Key("For the whole cascade: 50000 KZT.", _MONEY),
        "per_contact": Key("For one contact's run.", _MONEY),
    },
    "guard": {
        "complaints": Key(
            "Marked as spam within seven days, of what is not known to have failed; 0% is not watched.",
            _PERCENT,
        ),
        "opt_outs": Key(
            "The last before an opt-out within seven days, of what is not known to have failed.", _PERCENT
        ),
        "bounces": Key("Mails that came back because of their address.", _PERCENT),
        "failures": Key("Refused or undelivered by no fault of the person's.", _PERCENT),
        "then": Key(
            "What a breach does besides telling: `pause_step`, `skip_step`, `pause` (all), `tell` (nothing).",
            {"enum": [each.value for each in Then]},
        ),
    },
    "step": {
        "id": Key("Name of the step, unique here.", _SLUG, required=True),
        "channel": Key(
            "The channel, or several: the first that reaches the contact.",
            {"oneOf": [_CHANNEL, _list(_CHANNEL, uniqueItems=True)]},
            required=True,
        ),
        **CONTENT,
        "choose": Key(
            "How one of several channels is chosen: `learn` draws it, by what people reacted to.",
            {"oneOf": [{"enum": ["learn"]}, _ref("choose")]},
        ),
        "variants": Key(
            "Versions to compare, shared out by weight.", _list(_ref("variant"), minItems=2, maxItems=20)
        ),
        "winner": Key("When the best variant takes over.", _ref("winner")),
        "success": Key(
            "The reaction that ends the run here; the channel's default if not given.",
            {"enum": [reaction.value for reaction in Reaction]},
        ),
        "wait": Key(
            "How long to wait for what; the channel's default if not given.",
            {"oneOf": [_SPAN, _list(_ref("clock"), maxItems=10)]},
        ),
        "at": Key("When the step is due, instead of after the one before.", _ref("at")),
        "send_at": Key(
            "When it goes once it is due: at the hour, within a day, at which the person reacts most.",
            {"enum": ["best_hour"]},
        ),
        "if": Key("Skips the step where it does not hold.", _CONDITION),
        "holdout": Key("Share of contacts that skip this step.", _PERCENT),
        "on_fail": Key(
            "What a failed message leads to; `next` if not given, after the further tries of a call.",
            {"enum": list(ON_FAIL)},
        ),
        "keys": Key(
            "What the keys of the phone mean.",
            {
                "type": "object",
                "propertyNames": {"pattern": "^[0-9*#]$"},
                "additionalProperties": {"enum": list(ACTIONS)},
                "minProperties": 1,
            },
        ),
        "only": Key("Entered by a branch alone.", {"enum": ["branch"]}),
        "urgent": Key("May cross brand windows and caps; not for advertising.", {"type": "boolean"}),
        "account": Key("The account to send by, instead of the channel's first.", _SLUG),
        "utm": Key("What its links get in place of the cascade's, the brand's or the policy's.", _ref("utm")),
    },
    "choose": {
        "by": Key("Learns apart for people of each.", {"enum": list(GROUPS)}),
        "explore": Key("What each channel gets at least; 5% if not given.", _PERCENT),
        "worth": Key("What a success is worth: what messages cost counts against it.", _MONEY),
    },
    "winner": {
        "by": Key("What counts as a success; `reacted` if not given.", {"enum": list(WON_BY)}),
        "after": Key(
            "How many messages of each variant it takes; 500 if not given.",
            {"type": "integer", "minimum": 100, "maximum": 10_000_000},
        ),
        "confidence": Key(
            "How certain it must be, however often it is looked at; 95% if not given.", _PERCENT
        ),
        "opt_out": Key("No variant wins by which so many more of the people opt out.", _PERCENT),
        "explore": Key("What each other variant keeps; nothing if not given.", _PERCENT),
    },
    "clock": {
        "unless": Key("The reaction waited for.", _REACTION, required=True),
        "for": Key("How long.", _SPAN, required=True),
        "from": Key("The reaction from which it counts; from the sending if not given.", _REACTION),
    },
    "at": {
        "before": Key("Path of the instant to count back from: trigger.starts_at.", _NAME),
        "after": Key("Path of the instant to count on from.", _NAME),
        "on": Key(
            "Day of the run: day 3.", {"type": ["string", "integer"], "pattern": "^(day\\s+)?\\d{1,3}$"}
        ),
        "by": Key("How far from the instant.", _SPAN),
        "earliest_ok": Key("How much earlier than due it still makes sense; 24 h if not given.", _SPAN),
    },
    "variant": {
        "id": Key("Name of the variant.", _SLUG, required=True),
        "weight": Key("Its share among the weights.", {"type": "integer", "minimum": 1, "maximum": 1000}),
        **CONTENT,
    },
    "button": {
        "text": Key("What stands on it.", _TEXT, required=True),
        "url": Key("Where it leads.", _TEXT),
        "reply": Key("What pressing it answers.", _TEXT),
    },
    "approved": {
        "name": Key("Its name at the service.", _TEXT, required=True),
        "language": Key("Its language, as the service writes it: ru, en_US.", _TEXT, required=True),
        "parameters": Key("What fills the places of its body, in their order.", _list(_TEXT, maxItems=30)),
        "header": Key("What fills its head: a text, or the address of a picture or file.", _TEXT),
        "buttons": Key(
            'What fills its buttons: addresses, or what their ends become; `""` where nothing changes.',
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 10},
        ),
    },
    "attached": {
        "file": Key("Name of a saved file.", _SLUG, required=True),
        "name": Key("What the person sees it called; its own name if not given.", _TEXT),
        "if": Key("Only where this holds.", _CONDITION),
    },
    "calendar": {
        "title": Key("What stands in the calendar.", _TEXT, required=True),
        "starts": Key("Path of the instant: trigger.starts_at.", _NAME, required=True),
        "ends": Key("Path of the instant at which it is over.", _NAME),
        "lasts": Key("How long it takes, instead of `ends`; 1 h if neither is given.", _SPAN),
        "place": Key("Where, or the address of a meeting online.", _TEXT),
        "about": Key("What it is about.", _TEXT),
        "uid": Key(
            "Names the appointment over cascades, so that another one can move or cancel it; "
            "one of this run if not given.",
            _TEXT,
        ),
        "cancel": Key("Takes back the appointment of that `uid`.", {"type": "boolean"}),
    },
    "branch": {
        "when": Key(
            "Step and reaction: letter.clicked.",
            {"type": "string", "pattern": "^[^.]+\\.[a-z]+$"},
            required=True,
        ),
        "unless_goal_in": Key("Waits so long for the goal before it goes.", _SPAN),
        "go": Key("The step it leads to, a later one.", _SLUG, required=True),
    },
}


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of a definition."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Kaskad cascade",
        **_object(KEYS["cascade"]),
        "$defs": {name: _object(keys) for name, keys in KEYS.items() if name != "cascade"},
    }


def _object(keys: dict[str, Key]) -> Schema:
    required = [name for name, key in keys.items() if key.required]
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"description": key.about, **key.schema} for name, key in keys.items()},
    }
    if required:
        schema["required"] = required
    return schema
