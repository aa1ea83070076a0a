"""An own Asterisk over ARI: a robot call.

https://docs.asterisk.org/Configuration/Interfaces/Asterisk-REST-Interface-ARI/. engine/transport/ari.py makes
the requests, and holds the WebSocket on which Asterisk tells what happens. Asterisk has no voice: the text
becomes a file beforehand, or stands in the step as `sound:…`. What a call has to say goes with it as
arguments of the Stasis application, so that whoever hears its StasisStart can carry it on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct

from kaskad.domain.errors import SendError
from kaskad.domain.terms import CallResult, Channel, Kind, Reaction, Reason
from kaskad.providers.base import (
    UNREADABLE,
    Accepted,
    Account,
    Capabilities,
    Outgoing,
    Provider,
    Receipt,
    Request,
    Response,
    Setting,
    basic_auth,
    decode,
    status_error,
)
from kaskad.providers.calls import LISTENED_S, REASONS, THANKS, language_of

RING_S = 25  # longer and a voicemail takes the call
LIMIT_S = 180.0
KEY_S = 5.0  # how long a key is waited for after the text
MINE = "kaskad."  # channels of ours: kaskad.<reference>.<instant of the attempt>
MAX_TEXT = 1500  # two minutes of speech
SOUND = "sound:"
PAUSE = "sound:silence/1"  # one second, of Asterisk's own sounds

CAUSES: dict[int, CallResult] = {  # Q.850, of a ChannelDestroyed before anybody answered
    1: CallResult.INVALID_NUMBER,  # unallocated
    17: CallResult.BUSY,
    18: CallResult.NO_ANSWER,  # no user responding
    19: CallResult.NO_ANSWER,
    20: CallResult.UNREACHABLE,  # subscriber absent
    21: CallResult.REJECTED,
    22: CallResult.INVALID_NUMBER,  # number changed
    27: CallResult.UNREACHABLE,  # destination out of order
    28: CallResult.INVALID_NUMBER,  # invalid format
    34: CallResult.UNREACHABLE,  # congestion
    38: CallResult.UNREACHABLE,  # network out of order
    41: CallResult.UNREACHABLE,  # temporary failure
    42: CallResult.UNREACHABLE,  # switch congestion
    102: CallResult.UNREACHABLE,  # a timer ran out: SIP 504
}
OURS = (0, 16)  # no cause, or a normal end: what rang until we gave up
STATES: dict[str, Kind | None] = {  # Channel.state in a ChannelStateChange: every documented value
    "Down": None,
    "Rsrvd": None,
    "OffHook": None,
    "Dialing": None,
    "Ring": None,
    "Ringing": Kind.SENT,
    "Up": Kind.SENT,  # somebody or something has picked up: who, the end of the call tells
    "Busy": None,  # ChannelDestroyed follows, with its cause
    "Dialing Offhook": None,
    "Pre-ring": None,
    "Unknown": None,
}
MACHINES: dict[str, bool] = {  # AMDSTATUS: in doubt it is a person, who is never cut off
    "MACHINE": True,
    "HUMAN": False,
    "NOTSURE": False,
    "HANGUP": False,
}
VOICES = {"ru": "ru", "en": "en", "kk": "kk"}  # of espeak-ng, by the contact's language
_NUMBER = re.compile(r"\+?([0-9]{5,15})").fullmatch
_VOICE = re.compile(r"[A-Za-z0-9+_-]{1,32}").fullmatch
_APP = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_MEDIA = re.compile(r"sound:[^,\s]{1,500}").fullmatch


class Speech(Struct, frozen=True):
    """What has to be spoken into a file before the call, and what Asterisk calls that file."""

    text: str
    voice: str
    path: str
    media: str


class Call(Struct):
    """A call that somebody or something has taken, as far as its events have told."""

    channel: str
    keys: str
    thanks: str
    answered_at: int
    machine: bool = False
    silent: bool = False  # the text could not be played
    said: bool = False  # the text has been played through
    key: str = ""


class Step(Struct):
    """What follows from an event: what to tell, what to ask for, and what to do so much later."""

    call: Call | None
    told: list[Receipt] = []
    requests: list[Request] = []
    later: tuple[float, Request] | None = None


class Asterisk(Provider):
    """A robot call over your own PBX: plays a text, takes a key, and tells people from machines."""

    name = "asterisk"
    title = "Asterisk"
    transport = "ari"
    hears = True
    channels: ClassVar[frozenset[Channel]] = frozenset({Channel.ROBOT_CALL})
    settings = (
        Setting("base_url", default="http://127.0.0.1:8088/ari"),
        Setting("user", help="Of ari.conf"),
        Setting("password", secret=True),
        Setting("endpoint", help="How a number is dialled: PJSIP/{number}@trunk; {number} has no +"),
        Setting("caller", help="What people see: Shop <74950000000>"),
        Setting("app", default="kaskad", help="The Stasis application; another for each installation"),
        Setting("sounds", required=False, help="A folder for spoken texts; empty: steps say sound:… only"),
        Setting(
            "sounds_at",
            required=False,
            help="What Asterisk calls that folder: a path or an http address; empty: the same path",
        ),
        Setting("voice", required=False, help="Of espeak-ng, such as ru; empty: the contact's language"),
        Setting("amd_context", required=False, help="A dialplan context that runs AMD(), then Stasis()"),
    )
    connect = (
        "In Asterisk enable the HTTP server (`http.conf`) and ARI, and add a user (`ari.conf`): "
        "`user` and `password`.",
        "`endpoint` says how a number is dialled: `PJSIP/{number}@trunk`.",
        "For spoken texts install `espeak-ng` and `sox` beside Kaskad, and let Asterisk read the folder "
        "`sounds`, or give it an http address in `sounds_at`.",
        "To tell machines from people add the context of "
        "[the page on calls](../sms-and-calls.md#asterisk-your-own-pbx) to `extensions.conf`, and name it in "
        "`amd_context`.",
        "Nothing has to be public: what happens comes over a WebSocket that Kaskad opens.",
    )
    capabilities = Capabilities(
        receipts=frozenset(
            {Kind.SENT, Kind.DELIVERED, Kind.ANSWERED, Kind.MACHINE_ANSWERED, Kind.KEYPRESS, Kind.FAILED}
        ),
        reactions=frozenset({Reaction.DELIVERED, Reaction.ANSWERED, Reaction.CLICKED, Reaction.REPLIED}),
        echoes_reference=True,
        reports_sent=True,
        max_text=MAX_TEXT,
        ssml=True,  # of espeak-ng, which makes the sound: its option -m
        concurrency=4,
        per_second=1.0,
        burst=1,
    )
    unverified = (
        "It has run against a server of ours by ARI's published descriptions, not against an Asterisk.",
        "Which cause a call has that rang until our own time-out: if it rang, 0 and 16 count as no answer.",
        "That a channel of `amd_context` tells of itself by `subscribeAll` before it enters the application.",
        "That Asterisk takes a channel id of letters, digits, dots, hyphens and underscores as it is.",
    )

    def check(self, account: Account) -> list[str]:
        found = []
        if "{number}" not in account["endpoint"]:
            found.append("setting 'endpoint': write where the number stands, such as PJSIP/{number}@trunk")
        if account["voice"] and not _VOICE(account["voice"]):
            found.append("setting 'voice': it is a name of espeak-ng's voices, such as ru or en-us")
        if not _APP(account["app"] or "kaskad"):
            found.append("setting 'app': letters, digits, hyphens and underscores")
        if account["sounds"] and not account["sounds"].startswith("/"):
            found.append("setting 'sounds': an absolute path, such as /var/lib/kaskad/sounds")
        if "," in account["sounds_at"] or "," in account["sounds"]:
            found.append("settings 'sounds' and 'sounds_at': no commas, which part Asterisk's arguments")
        return found

    def speeches(self, outgoing: Outgoing, account: Account) -> list[Speech]:
        """Return what is spoken in a call: the text, and the thanks for a key; raises SendError.

        A text that names a sound (`sound:…`) is not spoken, and nobody is thanked.
        """
        if outgoing.say.startswith(SOUND):
            if not _MEDIA(outgoing.say):
                raise SendError(Reason.CONTENT, "a sound's name has neither commas nor spaces")
            return []
        if not account["sounds"]:
            told = f"account {account.name!r} has no folder `sounds`, so it can play sound:… only"
            raise SendError(Reason.AUTH, told)
        if len(outgoing.say) > MAX_TEXT:
            told = f"the text has {len(outgoing.say)} characters, {MAX_TEXT} are two minutes of speech"
            raise SendError(Reason.CONTENT, told)
        language = language_of(outgoing)
        texts = [outgoing.say, *([THANKS[language]] if outgoing.keys else [])]
        return [_speech(text, account["voice"] or VOICES[language], account) for text in texts]

    def build_request(self, outgoing: Outgoing, account: Account) -> Request:
        """Return the request that makes the call; its sounds must be there by then."""
        number = _NUMBER(outgoing.to)
        if number is None:
            raise SendError(Reason.INVALID_ADDRESS, "the number is not one in the international form")
        spoken = [speech.media for speech in self.speeches(outgoing, account)]
        media, thanks = (*spoken, "", "")[:2] if spoken else (outgoing.say, "")
        keys = "".join(sorted(outgoing.keys))
        channel = f"{MINE}{outgoing.reference}.{outgoing.at:x}"
        fields = {
            "endpoint": account["endpoint"].replace("{number}", number[1]),
            "callerId": account["caller"],
            "timeout": str(RING_S),
            "channelId": channel,
        }
        variables = {}
        if account["amd_context"]:
            fields |= {"context": account["amd_context"], "extension": "s", "priority": "1"}
            variables = {"KASKAD_APP": _app(account), "KASKAD_MEDIA": media, "KASKAD_THANKS": thanks,
                         "KASKAD_KEYS": keys}  # fmt: skip
        else:
            fields |= {"app": _app(account), "appArgs": f"{media},{thanks},{keys}"}
        url = f"{_base(account)}/channels?{urlencode(fields)}"
        return Request.of_json(url, {"variables": variables}, _auth(account))

    def read_response(self, response: Response) -> Accepted:
        if not response.ok:
            error = status_error(response)
            if response.status == 500 and b"Allocation failed" in response.body:  # there is no channel
                raise SendError(Reason.TRANSIENT, error.detail)
            raise error
        answer = response.json()
        channel = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(channel, str):
            raise SendError(Reason.AMBIGUOUS, "the answer names no channel", accepted=None)
        return Accepted(channel, kind=None)

    def events_url(self, account: Account) -> str:
        """Return the address of the WebSocket on which Asterisk tells what happens."""
        scheme, rest = ("wss", "https") if _base(account).startswith("https:") else ("ws", "http")
        fields = {"app": _app(account), "api_key": f"{account['user']}:{account['password']}"}
        if account["amd_context"]:  # the dialplan has the channel before our application has
            fields["subscribeAll"] = "true"
        return f"{scheme}{_base(account).removeprefix(rest)}/events?{urlencode(fields)}"

    def list_request(self, account: Account) -> Request:
        """Return the request for the channels that there are."""
        return Request("GET", f"{_base(account)}/channels", _auth(account))

    def strays(self, response: Response, account: Account, known: Mapping[str, Call]) -> list[Request]:
        """Return what ends calls of ours that were taken while nobody listened: else they would never end."""
        listed = response.json() if response.ok else []
        channels = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        return [
            hang_up(str(one["id"]), account)
            for one in channels
            if one.get("state") == "Up" and str(one.get("id", "")).startswith(MINE) and one["id"] not in known
        ]

    def channel_of(self, raw: bytes) -> str | None:
        """Return the channel of ours that an event is about, "" for what is no event, None for all others."""
        try:
            channel = _channel(_event(raw))
        except ValueError:
            return ""
        return channel if channel.startswith(MINE) else None

    def step(self, raw: bytes, calls: Mapping[str, Call], account: Account) -> Step | None:
        """Return what follows from an event; None where it is not about a call of ours.

        Raises ValueError for what is no event.
        """
        event = _event(raw)
        channel = _channel(event)
        if not channel.startswith(MINE):
            return None
        call, at = calls.get(channel), _instant(event.get("timestamp"))
        match event["type"]:
            case "ChannelStateChange":
                return Step(call, _state(event, channel, at))
            case "StasisStart":
                return _answered(event, channel, at, account)
            case "PlaybackFinished" if call is not None:
                return _said(event, call, at, account)
            case "ChannelDtmfReceived":
                return _key(event, channel, call, at, account)
            case "ChannelDestroyed":
                return Step(None, [_ended(event, channel, call, at)])
        return Step(call)


def hang_up(channel: str, account: Account) -> Request:
    """Return the request that ends a call."""
    url = f"{_base(account)}/channels/{quote(channel, safe='')}?reason=normal"
    return Request("DELETE", url, _auth(account))


def play(channel: str, media: str, name: str, account: Account) -> Request:
    """Return the request that plays sounds, one after the other; `name` comes back when they have ended."""
    fields = urlencode({"media": media, "playbackId": f"{channel}.{name}"})
    return Request(
        "POST", f"{_base(account)}/channels/{quote(channel, safe='')}/play?{fields}", _auth(account)
    )


def unreadable(raw: bytes) -> Receipt:
    """Return what stands for an event that cannot be read: it is kept as it came."""
    return Receipt(kind=None, name=UNREADABLE, raw=raw)


def _answered(event: Mapping[str, Any], channel: str, at: int | None, account: Account) -> Step:
    """A call was taken: play the text twice, or leave a machine alone."""
    given = event.get("args")
    args = [str(one) for one in given] if isinstance(given, list) else []
    media, thanks, keys, detected = (*args, "", "", "", "")[:4]
    machine = MACHINES.get(detected, False)
    call = Call(channel, keys, thanks, at or 0, machine)
    told = [_receipt(channel, Kind.SENT, "answered", at)]
    if machine:
        told.append(_receipt(channel, Kind.MACHINE_ANSWERED, "machine", at, detail=detected))
    if machine or not media:
        return Step(call, told, [hang_up(channel, account)])
    return Step(
        call,
        told,
        [play(channel, f"{media},{PAUSE},{media}", "text", account)],
        (LIMIT_S, hang_up(channel, account)),
    )


def _said(event: Mapping[str, Any], call: Call, at: int | None, account: Account) -> Step:
    """What was played has ended: the text, after which a key is waited for, or the thanks."""
    playback = event.get("playback")
    name = str(playback.get("id", "")).rpartition(".")[2] if isinstance(playback, dict) else ""
    failed = isinstance(playback, dict) and playback.get("state") == "failed"
    end = hang_up(call.channel, account)
    if name == "thanks":
        return Step(call, requests=[end])
    if failed:
        call.silent = True
        words = "Asterisk could not play the sound: can it read the folder?"
        why = _receipt(
            call.channel, Kind.FAILED, "silent", at, reason=Reason.AUTH, code="no_sound", detail=words
        )
        return Step(call, [why], [end])
    call.said = True
    told = [_receipt(call.channel, Kind.DELIVERED, "said", at)]
    if call.keys and not call.key:
        return Step(call, told, later=(KEY_S, end))
    return Step(call, told, [] if call.key else [end])


def _key(event: Mapping[str, Any], channel: str, call: Call | None, at: int | None, account: Account) -> Step:
    """A key was pressed: the first that means something counts, and ends the call with thanks."""
    digit = str(event.get("digit", ""))
    if call is None or call.key or digit not in tuple(call.keys):
        return Step(call, [_receipt(channel, None, "digit without a meaning", at, key=digit)])
    told = [_receipt(channel, Kind.KEYPRESS, "key", at, key=digit)]
    call.key = digit
    if not call.thanks:
        return Step(call, told, [hang_up(channel, account)])
    stop = f"{_base(account)}/playbacks/{quote(channel + '.text', safe='')}"
    requests = [] if call.said else [Request("DELETE", stop, _auth(account))]
    return Step(call, told, [*requests, play(channel, call.thanks, "thanks", account)])


def _state(event: Mapping[str, Any], channel: str, at: int | None) -> list[Receipt]:
    state = _state_of(event)
    return [_receipt(channel, STATES.get(state), state.lower(), at)]


def _state_of(event: Mapping[str, Any]) -> str:
    channel = event.get("channel")
    return str(channel.get("state", "")) if isinstance(channel, dict) else ""


def _ended(event: Mapping[str, Any], channel: str, call: Call | None, at: int | None) -> Receipt:
    """Return how a call ended: listened to, taken, or why nobody took it."""
    cause, words = event.get("cause"), str(event.get("cause_txt", ""))
    state = _state_of(event)
    if call is not None or state == "Up":
        if call is not None and (call.machine or call.silent):
            return _receipt(channel, None, "ended", at, detail=words)
        listened = call is not None and (at or 0) - call.answered_at >= LISTENED_S * 1000
        return _receipt(channel, Kind.ANSWERED if listened else Kind.DELIVERED, "ended", at, detail=words)
    result = CAUSES.get(cause) if isinstance(cause, int) else None
    if result is None and state == "Ringing" and cause in OURS:
        result = CallResult.NO_ANSWER
    return _receipt(
        channel, Kind.FAILED, "ended", at,
        code=result.value if result else f"q850 {cause}",
        reason=REASONS[result] if result else Reason.OTHER,
        detail=words,
    )  # fmt: skip


def _receipt(channel: str, kind: Kind | None, name: str, at: int | None, **more: Any) -> Receipt:
    reference = channel.removeprefix(MINE).rpartition(".")[0]
    return Receipt(
        kind=kind,
        event=f"{channel} {name}",
        name=name,
        reference=reference,
        provider_id=channel,
        at=at,
        **more,
    )


def _event(raw: bytes) -> dict[str, Any]:
    event = decode(raw)
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ValueError("not an event")
    return event


def _channel(event: Mapping[str, Any]) -> str:
    """Return the id of the channel that an event is about; of a playback, that of its target."""
    channel = event.get("channel")
    if isinstance(channel, dict):
        return str(channel.get("id", ""))
    playback = event.get("playback")
    target = str(playback.get("target_uri", "")) if isinstance(playback, dict) else ""
    return target.removeprefix("channel:")


def _speech(text: str, voice: str, account: Account) -> Speech:
    name = blake2b(f"{voice}\0{text}".encode(), digest_size=16).hexdigest()
    folder = account["sounds"].rstrip("/")
    place = (account["sounds_at"] or folder).rstrip("/")
    end = ".wav" if urlsplit(place).scheme in ("http", "https") else ""  # a path is named without its ending
    return Speech(text, voice, f"{folder}/{name}.wav", f"{SOUND}{place}/{name}{end}")


def _base(account: Account) -> str:
    return account.base_url("http://127.0.0.1:8088/ari")


def _app(account: Account) -> str:
    return account["app"] or "kaskad"


def _auth(account: Account) -> dict[str, str]:
    return {"Authorization": basic_auth((account["user"], account["password"]))}


def _instant(text: object) -> int | None:
    """Return milliseconds of 2020-04-12T22:34:41.144+0000."""
    try:
        return round(datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S.%f%z").timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
