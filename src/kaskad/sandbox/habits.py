"""What simulated people do when something reaches them: drawn from the profile and the seed."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from kaskad.sandbox.deeds import Deeds, shown_links
from kaskad.sandbox.line import Intent, Pickup
from kaskad.sandbox.person import Bubble, Call, Mail, Notice, Phone, Sim, Sms, Thing
from kaskad.sandbox.profile import pick
from kaskad.sandbox.twiml import offered_keys
from kaskad.sandbox.wire import Answer

SCAN_MS = 1_500
PREFETCH_MS = 20_000
ANSWERS = {
    "ru": ("Спасибо, посмотрю", "Да, интересно", "Перезвоните, пожалуйста", "Уже оформляю"),
    "en": ("Thanks, I'll have a look", "Yes, please", "Please call me back", "On it already"),
}
STOPS = {"ru": "СТОП", "en": "STOP"}


class Habits:
    """The simulation of everybody who is not played by hand."""

    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds
        self._world = deeds.world
        self.profile = deeds.world.profile

    def on_arrival(self, phone: Phone, thing: Thing) -> None:
        """Plan what the person does with what has just come."""
        if phone.by_hand:
            return
        match thing:
            case Mail():
                self._on_mail(phone, thing)
            case Bubble():
                self._on_bubble(phone, thing)
            case Notice():
                self._on_notice(phone, thing)
            case Sms():
                self._on_sms(phone, thing)
            case Call():
                pass  # decided while it rings, by `pick_up` and `intent`

    def _chance(self, phone: Phone, channel: str) -> random.Random:
        """Return the randomness of the latest message on a channel."""
        return self._world.chance(phone.person.key, channel, phone.seen.get(channel, 0))

    def _later(self, phone: Phone, span_ms: float, act: Callable[[], Awaitable[object]]) -> None:
        async def act_unless_by_hand() -> None:
            if not phone.by_hand:
                await act()

        self._world.later(span_ms, act_unless_by_hand)

    def _on_mail(self, phone: Phone, mail: Mail) -> None:
        habits, deeds, chance = self.profile.mail, self._deeds, self._chance(phone, "email")
        temper = phone.temper
        if temper.scanned:
            self._later(phone, SCAN_MS, lambda: deeds.scan(phone, mail))
        if temper.prefetched:
            self._later(phone, PREFETCH_MS, lambda: deeds.prefetch(phone, mail))
        deed = pick(chance, {
            "clicks": habits.clicks, "replies": habits.replies, "unsubscribes": habits.unsubscribes,
            "opens": habits.opens, "complains": habits.complains,
        })  # fmt: skip
        open_ms = habits.open.draw_ms(chance, temper.pace)
        then_ms = open_ms + habits.click.draw_ms(chance, temper.pace)
        if not deed:
            return
        self._later(phone, open_ms, lambda: deeds.open_mail(phone, mail))
        links = shown_links(mail.links, mail.unsubscribe)
        if deed == "clicks" and links:
            url = links[0].url
            self._visit(phone, then_ms, chance, lambda: deeds.follow(phone, mail, url))
        elif deed == "unsubscribes" and mail.unsubscribe:
            self._later(phone, then_ms, lambda: deeds.unsubscribe(phone, mail))
        elif deed == "complains":
            self._later(phone, then_ms, lambda: deeds.complain(phone, mail))
        elif deed in ("clicks", "replies"):
            text = self._answer(phone, chance)
            self._later(phone, then_ms, lambda: deeds.reply_to_mail(phone, mail, text))

    def _on_bubble(self, phone: Phone, bubble: Bubble) -> None:
        channel, deeds = bubble.channel, self._deeds
        habits, chance = self.profile.messenger(channel), self._chance(phone, channel)
        deed = pick(chance, {
            "reacts": habits.reacts, "says_stop": habits.says_stop, "blocks": habits.blocks,
            "reads": habits.reads,
        })  # fmt: skip
        after_ms = habits.react.draw_ms(chance, phone.temper.pace)
        if deed == "blocks":
            self._later(phone, after_ms, lambda: deeds.block(phone, channel))
        elif deed == "reads":
            self._later(phone, after_ms, lambda: deeds.read(phone, bubble))
        elif deed == "says_stop":
            self._later(phone, after_ms, lambda: deeds.write(phone, channel, self._stop(phone)))
        elif deed == "reacts":
            links = shown_links(bubble.links)
            buttons = [button for row in bubble.buttons for button in row]
            if chance.random() < habits.replies or not (links or buttons):
                text = self._answer(phone, chance)
                self._later(phone, after_ms, lambda: deeds.write(phone, channel, text))
            elif buttons:
                button = buttons[0] if chance.random() < 0.8 else chance.choice(buttons)
                self._visit(phone, after_ms, chance, lambda: deeds.press(phone, bubble, button))
            else:
                url = links[0].url
                self._visit(phone, after_ms, chance, lambda: deeds.follow(phone, bubble, url))

    def _on_notice(self, phone: Phone, notice: Notice) -> None:
        habits, deeds, chance = self.profile.push, self._deeds, self._chance(phone, "push")
        deed = pick(chance, {"clicks": habits.clicks, "dismisses": habits.dismisses})
        after_ms = habits.react.draw_ms(chance, phone.temper.pace)
        if deed == "clicks":
            self._visit(phone, after_ms, chance, lambda: deeds.tap(phone, notice))
        elif deed == "dismisses":
            self._later(phone, after_ms, lambda: deeds.dismiss(phone, notice))

    def _on_sms(self, phone: Phone, sms: Sms) -> None:
        habits, deeds, chance = self.profile.sms, self._deeds, self._chance(phone, "sms")
        deed = pick(chance, {"reacts": habits.reacts, "says_stop": habits.says_stop})
        after_ms = habits.react.draw_ms(chance, phone.temper.pace)
        if deed == "says_stop":
            self._later(phone, after_ms, lambda: deeds.send_sms(phone, self._stop(phone)))
        elif deed == "reacts":
            if not sms.links or chance.random() < habits.replies:
                text = self._answer(phone, chance)
                self._later(phone, after_ms, lambda: deeds.send_sms(phone, text))
            else:
                url = sms.links[0].url
                self._visit(phone, after_ms, chance, lambda: deeds.follow(phone, sms, url))

    def _visit(
        self, phone: Phone, after_ms: float, chance: random.Random,
        follow: Callable[[], Awaitable[Answer | None]],
    ) -> None:  # fmt: skip
        """Plan that a link is followed, and that some send the form of the page that it leads to."""
        sends = chance.random() < self.profile.site.sends
        decide_ms = self.profile.site.decide.draw_ms(chance, phone.temper.pace)

        async def go() -> None:
            answer = await follow()
            if sends and answer is not None and answer.location:
                url = answer.location
                self._later(phone, decide_ms, lambda: self._deeds.send_form(phone, url))

        self._later(phone, after_ms, go)

    def pick_up(self, phone: Phone | None) -> Pickup:
        """Return what the called end does."""
        if phone is None or (phone.temper.sim is Sim.MISSING and not phone.by_hand):
            return Pickup("missing")
        if phone.temper.sim is Sim.ABSENT:
            return Pickup("silence")
        chance, habits = self._world.chance(phone.person.key, "call", len(phone.calls)), self.profile.call
        how = pick(chance, {"busy": habits.busy, "silence": habits.no_answer, "machine": habits.machine})
        if how == "busy":
            return Pickup("busy", 2_000)
        return Pickup(how or "answer", habits.pick_up.draw_ms(chance, phone.temper.pace))

    def intent(self, phone: Phone, words: str) -> Intent | None:
        """Return what a listener is going to do after these words; they may do it before the end of them."""
        habits = self.profile.call
        chance = self._world.chance(phone.person.key, "keys", len(phone.calls))
        answered = 1.0 - habits.busy - habits.no_answer - habits.machine
        deed = pick(chance, {
            "press": habits.presses / answered, "refuse": habits.refuses / answered,
            "hang_up": habits.hangs_up / answered,
        }) if answered > 0 else ""  # fmt: skip
        wanted, refusing = offered_keys(words)
        key = {"press": wanted, "refuse": refusing, "hang_up": "hang_up"}.get(deed, "")
        return Intent(habits.think.draw_ms(chance, phone.temper.pace), key) if key else None

    @staticmethod
    def _answer(phone: Phone, chance: random.Random) -> str:
        return chance.choice(ANSWERS[language_of(phone)])

    @staticmethod
    def _stop(phone: Phone) -> str:
        return STOPS[language_of(phone)]


def language_of(phone: Phone) -> str:
    """Return the language in which a person answers."""
    return "en" if phone.person.language == "en" else "ru"
