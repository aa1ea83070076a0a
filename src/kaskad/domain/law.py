"""The law as dated data: what may be sent to whom, by the contact's country, the channel and the class.

Rules state what a text says since when, and when we looked. They are no legal advice: where practice is not
settled a rule says so, and the sender may set it aside (`Policy.set_aside`), as the settings then show.
Consent, opt-outs and hours apply besides (`consent.py`, `policy.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum

from msgspec import Struct

from kaskad.domain.policy import Policy, Window
from kaskad.domain.terms import Channel, MessageClass
from kaskad.domain.worded import worded


class Verdict(StrEnum):
    """What a rule or the law as a whole answers, the strictest first."""

    DENY = "deny"
    CONSENT = "consent"  # only with a consent that can be proven
    WINDOW = "window"  # only at certain hours
    ALLOW = "allow"


class Law(Struct, frozen=True, kw_only=True):
    """One rule. Empty selectors fit everything; `flag`: only for an installation that is of this kind."""

    id: str
    countries: tuple[str, ...]  # ISO 3166-1 alpha-2; () everywhere
    channels: tuple[Channel, ...] = ()
    classes: tuple[MessageClass, ...] = ()
    verdict: Verdict
    article: str
    says: str
    says_ru: str
    since: date
    until: date | None = None
    checked: date = date(2026, 11, 25)
    settled: bool = True  # False: opinions differ, the decision stays with the sender
    flag: str = ""

    def fits(self, country: str, channel: Channel, message_class: MessageClass) -> bool:
        """Return whether the rule speaks about such a message to a contact of that country."""
        return (
            (not self.countries or country in self.countries)
            and (not self.channels or channel in self.channels)
            and (not self.classes or message_class in self.classes)
        )

    def holds(self, day: date) -> bool:
        """Return whether it is in force on a day."""
        return self.since <= day and (self.until is None or day < self.until)


class Answer(Struct, frozen=True):
    """What the law says of a message: the strictest verdict, the rules, and the legal windows."""

    verdict: Verdict
    rules: tuple[Law, ...]
    windows: tuple[Window, ...]


EU = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT",
    "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip
FLAGS = {
    "no_foreign_messengers": "a Russian state body, bank, insurer, carrier, payment system or aggregator",
}
_ADS = (MessageClass.ADVERTISING,)
_MESSENGERS_ABROAD = (
    Channel.TELEGRAM, Channel.WHATSAPP, Channel.VIBER, Channel.FACEBOOK_MESSENGER, Channel.INSTAGRAM,
)  # fmt: skip
_CALLS = (Channel.ROBOT_CALL, Channel.AGENT_CALL)

LAWS: tuple[Law, ...] = (
    Law(
        id="ru-ads-consent", countries=("RU",), classes=_ADS, verdict=Verdict.CONSENT,
        article=worded("38-FZ, art. 18 (1)"), since=date(2006, 7, 1),
        says="Advertising over any network needs prior consent, which the sender has to prove.",
        says_ru="Реклама по любым сетям связи — только с предварительного согласия, доказывает его "
        "отправитель.",
    ),
    Law(
        id="ru-ads-robot", countries=("RU",), channels=(Channel.ROBOT_CALL,), classes=_ADS,
        verdict=Verdict.DENY, article=worded("38-FZ, art. 18 (2)"), since=date(2006, 7, 1),
        says="No advertising by means that dial without a human; consent does not cure it.",
        says_ru="Реклама автоматическим дозваниванием без участия человека запрещена, согласие этого не "
        "меняет.",
    ),
    Law(
        id="ru-ads-restricted-resources", countries=("RU",), channels=(Channel.TELEGRAM, Channel.WHATSAPP),
        classes=_ADS, verdict=Verdict.DENY, article=worded("38-FZ, art. 5 (10.7); FAS, March 2026"),
        since=date(2025, 9, 1), settled=False,
        says="No advertising on resources with restricted access; FAS has named Telegram and "
        "WhatsApp. Whether it "
        "covers opted-in dialogues with a bot is open. Use MAX, VK, SMS or e-mail.",
        says_ru="Реклама на ресурсах с ограниченным доступом запрещена, ФАС назвала Telegram и WhatsApp. "
        "Касается ли "
        "это диалогов с согласившимися, не решено. Подойдут MAX, ВКонтакте, SMS, email.",
    ),
    Law(
        id="ru-foreign-messengers", countries=("RU",), channels=_MESSENGERS_ABROAD, verdict=Verdict.DENY,
        article=worded("foreign messengers with clients, since 1 June 2025"), since=date(2025, 6, 1),
        flag="no_foreign_messengers",
        says="State bodies, banks, insurers, carriers and others may not use foreign messengers with "
        "clients.",
        says_ru="Госорганам, банкам, страховщикам, операторам и другим нельзя писать клиентам в "
        "иностранных "
        "мессенджерах.",
    ),
    Law(
        id="ru-mass-calls", countries=("RU",), channels=(Channel.ROBOT_CALL,),
        classes=(MessageClass.SERVICE, MessageClass.TRANSACTIONAL), verdict=Verdict.CONSENT,
        article=worded("126-FZ, mass calls"), since=date(2025, 9, 1), settled=False,
        says="Mass calls, informing ones too, need prior consent, a contract with the carrier and a "
        "caller label; "
        "“mass” is not defined.",
        says_ru="Массовые вызовы, и информационные, требуют согласия, договора с оператором и "
        "маркировки; что такое "
        "«массовые», закон не говорит.",
    ),
    Law(
        id="kz-ads-consent", countries=("KZ",), classes=_ADS, verdict=Verdict.CONSENT,
        article=worded("Law 94-V on personal data"), since=date(2013, 11, 25),
        says="Advertising needs a consent that names the controller, the subject and the term.",
        says_ru="Реклама — только с согласием, где названы оператор, предмет и срок.",
    ),
    Law(
        id="kz-sms-hours", countries=("KZ",), channels=(Channel.SMS,),
        classes=(MessageClass.SERVICE, MessageClass.ADVERTISING), verdict=Verdict.WINDOW,
        article=worded("carriers' rules, Dec 2022"), since=date(2022, 12, 1),
        says="Notifying and advertising SMS on working days from 9 to 21 only; codes at any time.",
        says_ru="Информационные и рекламные SMS — только по будням с 9 до 21; коды — в любое время.",
    ),
    Law(
        id="eu-ads-consent", countries=EU, classes=_ADS, verdict=Verdict.CONSENT,
        article=worded("ePrivacy Directive, art. 13; GDPR, art. 7 and 21"), since=date(2018, 5, 25),
        says="E-mail, SMS and robot calls that advertise need opt-in; an objection is absolute.",
        says_ru="Реклама по email, SMS и звонками робота — только с согласием; возражение безусловно.",
    ),
    Law(
        id="fr-sales-calls", countries=("FR",), channels=_CALLS, classes=_ADS, verdict=Verdict.WINDOW,
        article=worded("sales calls, since 11 Aug 2026"), since=date(2026, 8, 11),
        says="Sales calls only after opt-in, Monday to Friday, 10 to 13 and 14 to 20, at most 4 in 30 "
        "days.",
        says_ru="Рекламные звонки — с согласием, с понедельника по пятницу, 10–13 и 14–20, до 4 за 30 "
        "дней.",
    ),
    Law(
        id="gb-ads-consent", countries=("GB",), classes=_ADS, verdict=Verdict.CONSENT,
        article=worded("UK GDPR, art. 21; ICO"), since=date(2018, 5, 25),
        says="Advertising needs consent; who objects is kept on a suppression list instead of being "
        "deleted.",
        says_ru="Реклама — только с согласием; кто возразил, остаётся в стоп-листе, а не удаляется.",
    ),
    Law(
        id="us-voice-consent", countries=("US",), channels=(Channel.ROBOT_CALL,), verdict=Verdict.CONSENT,
        article=worded("47 CFR 64.1200"), since=date(1991, 12, 20),
        says="A recorded or artificial voice needs prior express consent, for advertising in writing.",
        says_ru="Запись или синтезированный голос — только с прямым согласием, для рекламы письменным.",
    ),
    Law(
        id="us-hours", countries=("US",), channels=(Channel.SMS, *_CALLS), classes=_ADS,
        verdict=Verdict.WINDOW, article=worded("47 CFR 64.1200 (c)"), since=date(1991, 12, 20),
        says="Calls and texts that solicit only from 8 to 21, local time of the called party.",
        says_ru="Рекламные звонки и тексты — только с 8 до 21 по местному времени получателя.",
    ),
    Law(
        id="us-whatsapp-marketing", countries=("US",), channels=(Channel.WHATSAPP,), classes=_ADS,
        verdict=Verdict.DENY, article=worded("WhatsApp's own rule, seen in October 2026"),
        since=date(2026, 10, 1),
        says="WhatsApp does not deliver marketing templates to numbers of the USA.",
        says_ru="WhatsApp не доставляет рекламные шаблоны на номера США.",
    ),
)  # fmt: skip
_ORDER = list(Verdict)


def ask(
    policy: Policy, country: str, channel: Channel, message_class: MessageClass, day: date,
    laws: Sequence[Law] = LAWS,
) -> Answer:  # fmt: skip
    """Return what the law answers on a day; an emergency message is held back by nothing."""
    if message_class is MessageClass.EMERGENCY:
        return Answer(Verdict.ALLOW, (), ())
    rules = tuple(
        law for law in laws
        if law.id not in policy.set_aside and (not law.flag or law.flag in policy.tenant) and law.holds(day)
        and law.fits(country, channel, message_class)
    )  # fmt: skip
    windows = tuple(w for w in policy.rule(channel, message_class, country, urgent=True) if w.legal)
    found = [law.verdict for law in rules]
    if message_class is MessageClass.ADVERTISING:
        found.append(Verdict.CONSENT)  # everywhere here, stricter than some laws
    if windows:
        found.append(Verdict.WINDOW)
    return Answer(min(found, key=_ORDER.index, default=Verdict.ALLOW), rules, windows)


class Denials:
    """What the law denies a message class, ready for the last look: on which channel, in which country."""

    def __init__(self, policy: Policy, message_class: MessageClass, laws: Iterable[Law] = LAWS) -> None:
        self._laws = [
            (_ms(law.since), _ms(law.until) if law.until else None, law)
            for law in laws
            if law.verdict is Verdict.DENY
            and message_class is not MessageClass.EMERGENCY
            and (not law.classes or message_class in law.classes)
            and law.id not in policy.set_aside
            and (not law.flag or law.flag in policy.tenant)
        ]

    def why(self, channel: Channel, country: str, now: int) -> str | None:
        """Return the article that denies it now, in words; None: no law does."""
        for since, until, law in self._laws:
            if (
                (not law.channels or channel in law.channels)
                and (not law.countries or country in law.countries)
                and since <= now
                and (until is None or now < until)
            ):
                return f"{law.article} ({law.id})"
        return None


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
