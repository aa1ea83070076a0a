"""Voximplant: its own library's requests, and our scenario, run by a JavaScript engine in a world of calls.

The world has the names that the scenario uses of VoxEngine, and time that passes by hand; what the scenario
posts is read by the adapter, so that both ends of our own protocol are held together.
"""

import json
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl

import httpx
import jwt
import pytest
import quickjs
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from voximplant.apiclient import VoximplantAPI

from kaskad import providers
from kaskad.domain.terms import Channel, Kind
from kaskad.providers.base import Account, Outgoing, Request

SCENARIO = (Path(providers.__file__).parent / "scenarios/voximplant.js").read_text()
VOX = providers.provider("voximplant")
ACCOUNTS = json.loads((Path(__file__).parent / "accounts.json").read_text())["voximplant"]
CASES = sorted((Path(__file__).parent / "cases/voximplant").glob("*.json"))
SENT = [
    pytest.param(case["request"]["Request"], case, id=path.stem)
    for path in CASES
    if "message" in (case := json.loads(path.read_text())) and "Request" in case["request"]
]
WORLD = """
let now = 0, timers = [], said = [], posts = [], hungUp = 0, terminated = 0, dialled = null, detector = null;
const handlers = {};
const listener = (of) => ({addEventListener: (event, f) => { (handlers[of + event] ||= []).push(f); }});
const names = (prefix, list) => Object.fromEntries(list.map((name) => [name, prefix + name]));
const Modules = {AMD: "amd"}, require = () => {};
const AppEvents = names("app.", ["Started"]);
const CallEvents = names("call.", ["Ringing", "Connected", "PlaybackFinished", "ToneReceived", "Failed",
                                   "Disconnected"]);
const VoiceList = {Yandex: {Neural: {ru_RU_alena: "alena"}}};
const AMD = {
  Model: {RU: "ru"}, ResultClass: {VOICEMAIL: "voicemail", HUMAN: "human", TIMEOUT: "timeout"},
  Events: names("amd.", ["DetectionComplete", "DetectionError"]),
  create: (parameters) => (detector = Object.assign(parameters, listener(""))),
};
const call = Object.assign(listener(""), {
  say: (text, options) => said.push([text, options.voice || ""]),
  handleTones: () => {}, stopPlayback: () => {},
  hangup: () => { hungUp += 1; },
});
const Net = {httpRequestAsync: (url, options) => { posts.push([url, options]); return Promise.resolve({}); }};
const VoxEngine = Object.assign(listener(""), {
  customData: () => ORDER, terminate: () => { terminated += 1; },
  callPSTN: (to, from, options) => {
    dialled = [to, from, options.amd ? options.amd.model : ""];
    return call;
  },
});
Date.now = () => now;
const setTimeout = (f, ms) => { timers.push({at: now + ms, f}); return timers.length - 1; };
const clearTimeout = (n) => { if (timers[n]) timers[n].f = null; };
const passes = (ms) => {
  now += ms;
  for (const timer of timers) if (timer.f && timer.at <= now) { const f = timer.f; timer.f = null; f(); }
};
const happens = (event, data) => (handlers[event] || []).forEach((f) => f(data || {}));
"""


class Play:
    """One call by the scenario; `happens` and `passes` move it."""

    def __init__(self, name="one", **more):
        given = {"keys": {"1": "confirm", "9": "opt_out"}, "language": "ru", **more}
        self.account = Account(1, "calls", "voximplant", Channel.ROBOT_CALL, **{
            part: ACCOUNTS[name][part] for part in ("settings", "secrets")
        })  # fmt: skip
        outgoing = Outgoing(
            "r1.AbC-9",
            "k",
            Channel.ROBOT_CALL,
            "+79000000001",
            1767261600000,
            say="Заказ собран.",
            status_url="https://k.example.org/hooks/calls",
            **given,
        )
        request = VOX.build_request(outgoing, self.account)
        order = parse_qs(request.body.decode())["script_custom_data"][0]
        self.js = quickjs.Context()
        self.js.eval(f"const ORDER = {json.dumps(order)};\n{WORLD}\n{SCENARIO}")
        self.happens("app.Started", sessionId=1234567890)

    def happens(self, event, **data):
        self.js.eval(f"happens({json.dumps(event)}, {json.dumps(data)})")
        while self.js.execute_pending_job():
            pass
        return self

    def passes(self, seconds):
        self.js.eval(f"passes({seconds * 1000})")
        return self

    def seen(self, name):
        return json.loads(self.js.eval(f"JSON.stringify({name})"))

    def told(self):
        """Return what Kaskad reads in the posts."""
        found = []
        for url, options in self.seen("posts"):
            headers = dict(line.split(": ") for line in options["headers"])
            hook = Request(
                options["method"],
                url,
                {name.lower(): value for name, value in headers.items()},
                options["postData"].encode(),
            )
            VOX.verify_webhook(hook, self.account, 0)
            found += VOX.read_webhook(hook, self.account)
        assert all(one.reference == "r1.AbC-9" and one.provider_id == "1234567890" for one in found)
        return found

    def kinds(self):
        return [one.kind for one in self.told()]


def picked_up():
    return Play().happens("call.Ringing").passes(4).happens("call.Connected").passes(2)


def human():
    return picked_up().happens("amd.DetectionComplete", resultClass="human")


def test_a_person_hears_the_text_twice_and_has_answered():
    play = human()
    assert play.seen("dialled") == ["79000000001", "79000000099", "ru"]
    play.passes(8).happens("call.PlaybackFinished").passes(5)
    assert play.seen("said") == [["Заказ собран.", "alena"]] * 2
    play.passes(8).happens("call.PlaybackFinished").passes(5)
    assert play.seen("hungUp") == 1
    play.happens("call.Disconnected", duration=28, cost=1.5)
    assert play.kinds() == [Kind.SENT, Kind.SENT, Kind.ANSWERED]
    assert play.told()[-1].cost.minor == 150 and play.seen("terminated") == 1


def test_nobody_is_spoken_to_before_it_is_known_who_it_is():
    assert picked_up().seen("said") == []


@pytest.mark.parametrize("event", ["amd.DetectionComplete", "amd.DetectionError"])
def test_in_doubt_it_is_a_person(event):
    assert picked_up().happens(event, resultClass="timeout").seen("said") == [["Заказ собран.", "alena"]]


def test_a_machine_hears_nothing():
    play = picked_up().happens("amd.DetectionComplete", resultClass="voicemail")
    play.happens("call.Disconnected", duration=3, cost=0.5)
    assert play.seen("said") == [] and play.seen("hungUp") == 1
    assert play.kinds() == [Kind.SENT, Kind.SENT, Kind.MACHINE_ANSWERED, Kind.MACHINE_ANSWERED]


def test_the_first_key_that_means_something_counts():
    play = human().passes(1).happens("call.ToneReceived", tone="5").happens("call.ToneReceived", tone="9")
    play.happens("call.ToneReceived", tone="1")
    (pressed,) = [one for one in play.told() if one.kind is Kind.KEYPRESS]
    assert pressed.key == "9" and play.seen("said")[-1][0].startswith("Спасибо")
    play.happens("call.PlaybackFinished")
    assert play.seen("hungUp") == 1


def test_after_a_key_the_text_is_not_said_again():
    play = human().passes(3).happens("call.PlaybackFinished").passes(1).happens("call.ToneReceived", tone="1")
    play.passes(5)
    assert [text for text, _ in play.seen("said")] == [
        "Заказ собран.",
        "Спасибо, ваш ответ принят. До свидания.",
    ]


def test_who_hangs_up_soon_was_only_reached():
    play = human().passes(4).happens("call.Disconnected", duration=6, cost=1)
    assert play.kinds()[-1] is Kind.DELIVERED


@pytest.mark.parametrize(
    ("sip", "code"),
    [
        (486, "busy"),
        (487, "no_answer"),
        (480, "unreachable"),
        (404, "invalid_number"),
        (603, "rejected"),
        (403, "carrier_blocked"),
    ],
)
def test_a_call_that_nobody_takes_says_why(sip, code):
    play = Play().happens("call.Failed", code=sip, reason="?")
    assert [(one.kind, one.code) for one in play.told()] == [(Kind.FAILED, code)]
    assert play.seen("terminated") == 1


def test_without_detection_and_keys_the_text_is_said_at_once_by_the_default_voice():
    play = Play("two", keys={}, language="").happens("call.Connected")
    assert play.seen("said") == [["Заказ собран.", ""]] and play.seen("dialled")[2] == ""
    play.passes(180)
    assert play.seen("hungUp") == 1


@pytest.mark.parametrize("request_, case", SENT)
def test_voximplants_token_is_one(request_, case):
    service = json.loads(ACCOUNTS[case["account"]]["secrets"]["service_account"])
    public = load_pem_private_key(service["private_key"].encode(), None).public_key()
    token = request_["headers"]["Authorization"].removeprefix("Bearer ")
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(token, pem, algorithms=["RS256"], options={"verify_exp": False})
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": service["key_id"]}
    assert claims["iss"] == str(service["account_id"]) and 0 < claims["exp"] - claims["iat"] <= 3600
    assert claims["iat"] * 1000 <= case["message"]["at"] < claims["exp"] * 1000


@pytest.mark.parametrize("request_, case", SENT)
def test_voximplants_library_makes_the_same_request(request_, case, tmp_path, monkeypatch):
    service = ACCOUNTS[case["account"]]["secrets"]["service_account"]
    file = tmp_path / "service.json"
    file.write_text(service)
    made = []

    def post(url, *, data, headers, **more):
        made.append((url, data, headers))
        return httpx.Response(200, json={"result": 1})

    monkeypatch.setattr(httpx, "post", post)
    fields = dict(parse_qsl(request_["body"]))
    VoximplantAPI(str(file)).start_scenarios(
        rule_id=fields["rule_id"], script_custom_data=fields["script_custom_data"]
    )
    ((url, data, headers),) = made
    assert data == fields and url.endswith("/platform_api") and request_["url"].endswith("/platform_api")
    assert headers["Authorization"].startswith("Bearer ") and "Authorization" in request_["headers"]
