"""How people behave: shares and delays by channel, and what is drawn from them with a seed."""

from __future__ import annotations

import math
import random
from importlib.resources import files

import msgspec
from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from kaskad.domain.errors import Invalid
from kaskad.sandbox.person import MESSENGERS, Mailbox, Sim, Temper


class Delay(Struct, frozen=True, forbid_unknown_fields=True):
    """Log-normal: half are faster than `median`; `spread` is the deviation of the logarithm. Seconds."""

    median: float
    spread: float = 0.0
    least: float = 0.0

    def draw_ms(self, chance: random.Random, pace: float = 1.0) -> float:
        """Return one delay in milliseconds."""
        drawn = self.median * pace * math.exp(chance.gauss(0.0, self.spread))
        return 1000 * max(self.least, drawn)


class MailHabits(Struct, frozen=True, forbid_unknown_fields=True):
    open: Delay
    click: Delay
    missing: float = 0.0
    full: float = 0.0
    greylisted: float = 0.0
    bounces_later: float = 0.0
    scanned: float = 0.0
    prefetched: float = 0.0
    opens: float = 0.0
    clicks: float = 0.0
    replies: float = 0.0
    unsubscribes: float = 0.0
    complains: float = 0.0


class ChatHabits(Struct, frozen=True, forbid_unknown_fields=True):
    react: Delay
    blocked: float = 0.0
    reacts: float = 0.0
    replies: float = 0.0
    says_stop: float = 0.0
    blocks: float = 0.0
    reads: float = 0.0


class PushHabits(Struct, frozen=True, forbid_unknown_fields=True):
    react: Delay
    clicks: float = 0.0
    dismisses: float = 0.0


class SmsHabits(Struct, frozen=True, forbid_unknown_fields=True):
    deliver: Delay
    react: Delay
    missing: float = 0.0
    absent: float = 0.0
    reacts: float = 0.0
    replies: float = 0.0
    says_stop: float = 0.0


class CallHabits(Struct, frozen=True, forbid_unknown_fields=True):
    pick_up: Delay
    think: Delay
    busy: float = 0.0
    no_answer: float = 0.0
    machine: float = 0.0
    presses: float = 0.0
    refuses: float = 0.0
    hangs_up: float = 0.0


class SiteHabits(Struct, frozen=True, forbid_unknown_fields=True):
    """Of who has followed a link to a page with a form: a cart to pay for, an event to join."""

    decide: Delay
    sends: float = 0.0


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """Everybody's habits; a messenger without a section of its own is used as `chat` says."""

    mail: MailHabits
    chat: ChatHabits
    sms: SmsHabits
    call: CallHabits
    telegram: ChatHabits | None = None
    whatsapp: ChatHabits | None = None
    viber: ChatHabits | None = None
    vk: ChatHabits | None = None
    max: ChatHabits | None = None
    facebook_messenger: ChatHabits | None = None
    instagram: ChatHabits | None = None
    push: PushHabits = PushHabits(Delay(600.0))
    site: SiteHabits = SiteHabits(Delay(900.0))

    def messenger(self, channel: str) -> ChatHabits:
        """Return how people use a messenger."""
        own: dict[str, ChatHabits | None] = {
            "telegram": self.telegram, "whatsapp": self.whatsapp, "viber": self.viber, "vk": self.vk,
            "max": self.max, "facebook_messenger": self.facebook_messenger, "instagram": self.instagram,
        }  # fmt: skip
        return own[channel] or self.chat


def default_profile() -> Profile:
    """Return the profile that ships with Kaskad; its figures are illustrative."""
    return read_profile(files("kaskad.sandbox").joinpath("profile.yaml").read_text("utf-8"), "profile.yaml")


def read_profile(text: str, source: str) -> Profile:
    """Return the profile of a YAML or JSON text; raises Invalid."""
    try:
        profile = msgspec.convert(YAML(typ="safe").load(text), Profile)
    except (YAMLError, msgspec.ValidationError) as error:
        raise Invalid([f"{source}: {' '.join(str(error).split())}"]) from None
    problems = [f"{source}: {problem}" for problem in _problems(profile)]
    if problems:
        raise Invalid(problems)
    return profile


def _problems(profile: Profile) -> list[str]:
    found = []
    for part, habits in msgspec.to_builtins(profile).items():
        for name, value in (habits or {}).items():
            if isinstance(value, dict):
                if value["median"] <= 0 or value["spread"] < 0 or value["least"] < 0:
                    found.append(f"{part}.{name}: median is more than 0, spread and least are not negative")
            elif not 0 <= value <= 1:
                found.append(f"{part}.{name}: {value} is no share: write a number from 0 to 1")
    for part, names in _EXCLUSIVE:
        habits = getattr(profile, part)
        total = sum(getattr(habits, name) for name in names) if habits is not None else 0.0
        if total > 1 + 1e-9:
            found.append(f"{part}: {', '.join(names)} exclude each other and make {total:g}, more than 1")
    return found


_CHAT = ("reacts", "says_stop", "blocks", "reads")
_EXCLUSIVE = (
    ("mail", ("missing", "full", "greylisted", "bounces_later")),
    ("mail", ("opens", "clicks", "replies", "unsubscribes", "complains")),
    ("chat", _CHAT),
    *((messenger, _CHAT) for messenger in MESSENGERS),
    ("push", ("clicks", "dismisses")),
    ("sms", ("missing", "absent")),
    ("sms", ("reacts", "says_stop")),
    ("call", ("busy", "no_answer", "machine", "presses", "refuses", "hangs_up")),
)


def pick(chance: random.Random, shares: dict[str, float]) -> str:
    """Return one of the names by their shares; "" is the rest."""
    drawn = chance.random()
    for name, share in shares.items():
        drawn -= share
        if drawn < 0:
            return name
    return ""


def draw_temper(profile: Profile, chance: random.Random) -> tuple[Temper, bool]:
    """Return a person's temper, and whether they had blocked Telegram's bot before."""
    mail, sms = profile.mail, profile.sms
    mailbox = pick(chance, {
        "missing": mail.missing, "full": mail.full, "greylisted": mail.greylisted,
        "bounces_later": mail.bounces_later,
    })  # fmt: skip
    sim = pick(chance, {"missing": sms.missing, "absent": sms.absent})
    temper = Temper(
        mailbox=Mailbox(mailbox or "good"),
        sim=Sim(sim or "good"),
        scanned=chance.random() < mail.scanned,
        prefetched=chance.random() < mail.prefetched,
        pace=math.exp(chance.gauss(0.0, 0.3)),
    )
    return temper, chance.random() < profile.messenger("telegram").blocked
