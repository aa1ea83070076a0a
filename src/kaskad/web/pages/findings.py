"""What is wrong with a definition, in the reader's language: the checks' English sentences as patterns.

A sentence that no pattern knows is shown as it stands.
"""

from __future__ import annotations

import re
from functools import cache

from kaskad.web.pages.i18n import N_
from kaskad.web.pages.look import Look
from kaskad.web.pages.words import CHANNELS

MESSAGES = (
    N_("the cascade has no `goal`, so it goes on after a purchase"),
    N_("the cascade has no goal to wait for"),
    N_("advertising without a `topic`: a contact can only leave everything"),
    N_("advertising is never urgent"),
    N_("%(channel)s has nothing to say"),
    N_("the mail has no `subject`"),
    N_("the mail has no body"),
    N_("the SMS can grow to %(n)s parts, each of them paid"),
    N_("%(first)s is dearer than %(second)s, and comes before it"),
    N_("less than an hour is no time to react"),
    N_("the robot call offers no key to refuse"),
    N_("%(n)s steps: over %(most)s messages tire a person more than they reach"),
    N_("step %(n)s is named `%(id)s` too"),
    N_("`%(word)s` is a word of the language"),
    N_("there is no step `%(step)s`"),
    N_("step `%(step)s` comes no earlier, so nothing is known of it"),
    N_("a step has no `%(field)s`"),
    N_("`%(name)s` is not known in texts"),
    N_("`%(name)s` is not there before the run"),
    N_("one variant compares nothing"),
    N_("two variants are named `%(id)s`"),
    N_("`template` and `%(key)s` stand together"),
    N_("%(channel)s has no `%(key)s`"),
    N_("%(channel)s cannot tell `%(reaction)s`"),
    N_("a button has either `url` or `reply`"),
    N_("no branch leads to `%(step)s`"),
    N_("every step is entered by a branch only"),
    N_("a branch above has the same `when`"),
    N_("a branch leads forward only: `%(step)s` cannot go to %(other)s"),
    N_("`%(word)s` names no reaction"),
    N_("`%(word)s` is no reaction"),
    N_("`%(text)s` is no instant of the run"),
    N_("`%(text)s` is no value of the run"),
    N_("`%(text)s` is no time of the day"),
    N_("`%(text)s` is no time at all"),
    N_("`%(text)s` is not a pace"),
    N_("`%(text)s` is not a name"),
    N_("`%(text)s` is not known as `%(place)s`"),
    N_("`%(text)s` must be small Latin letters, digits, - and _, at most 64"),
    N_("'%(text)s' is not a duration: write 24h, 2d, 30m, or ISO 8601 as PT24H, P1D"),
    N_("'%(text)s' is not an amount: write a number and a currency, such as 50000 KZT"),
    N_("%(text)s is not a currency of ISO 4217: write such as KZT, RUB or USD"),
    N_("`%(key)s` is a share from 0% to under 100%"),
    N_("`%(key)s` is empty"),
    N_("`%(key)s` stands twice"),
    N_("`parallel_by_key` needs a key"),
    N_("%(place)s has no `%(key)s`"),
    N_("expected '}}', found end of file"),
    N_("there is no segment `%(name)s`"),
    N_("The contact has no address on %(channel)s."),
    N_("No account sends by %(channel)s: `kaskad account add` makes one."),
    N_("No enabled account sends by %(channel)s: `kaskad account list` shows them."),
    N_("%(to)s is on the stop-list: nothing is sent there, no test either."),
    N_("Whose address %(to)s is has refused such messages: no test goes there."),
    N_("There is no contact '%(who)s': give its id (con_…), external id, e-mail or +phone."),
    N_("there is no template '%(name)s' for %(channel)s"),
)
REMEDIES = (
    N_("add `goal: {event: purchase}`"),
    N_("add `topic: news`"),
    N_("add `html`, `mjml` or `text`, or name a `template`"),
    N_("add `%(key)s`, or name a `template`"),
    N_("add one, or name a `template`"),
    N_("shorten it, or accept the price"),
    N_("put the cheaper channel first"),
    N_("wait an hour or more"),
    N_("add `keys: {9: opt_out}` and say so"),
    N_("keep the best three or four"),
    N_("give each step its own id"),
    N_("choose another id"),
    N_("did you mean `%(word)s`?"),
    N_("known here: %(words)s"),
    N_("name an earlier step"),
    N_("write `contact.%(name)s` or `trigger.%(other)s`"),
    N_("write `%(reaction)s`; %(channel)s tells %(words)s, and `reacted` always works"),
    N_("add another, or write its text in the step"),
    N_("add a `goal`"),
    N_("use trigger.… and contact.…"),
    N_("write trigger.… or contact.…"),
    N_("write it like 10:00"),
    N_("write for example 10%"),
    N_("keep one of them"),
    N_("close the braces"),
    N_("add `key` to the trigger"),
    N_("remove it here"),
)
_CHANNEL_NAMES = ("channel", "first", "second")
_PLACE = re.compile(r"%\\?\((\w+)\\?\)s")


def told(look: Look, text: str) -> str:
    """Return a finding's sentence in the reader's language, as it stands where it is not known."""
    if look.language == "en" or not text:
        return text
    for pattern, words in _patterns():
        if found := pattern.fullmatch(text):
            said = look._(words)
            for name, value in found.groupdict().items():
                known = name in _CHANNEL_NAMES and value in CHANNELS
                said = said.replace(f"%({name})s", look.word("channel", value) if known else value)
            return said
    return look.told(text)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple(
        (re.compile(_PLACE.sub(r"(?P<\1>.+?)", re.escape(words)), re.DOTALL), words)
        for words in (*MESSAGES, *REMEDIES)
    )
