"""The cascades that histories are about: between them they use most of what a definition may say."""

CART = """
cascade: cart
title: Cart
class: service
topic: carts
trigger: {event: left, key: cart_id}
reentry: restart
goal:
  event: bought
  match: {cart_id: trigger.cart_id}
  within: 7d
  value: amount
  returned: {event: refund, value: amount}
budget: {total: %(budget)s KZT, per_contact: 9 KZT}
steps:
  - {id: sms, channel: sms, text: "%(words)s {{ contact.name }}", wait: 2h, on_fail: retry}
  - {id: agent, channel: agent_call, script: "Call {{ contact.name }}", wait: 24h}
  - {id: letter, channel: email, subject: s, text: t, success: clicked, wait: 20h}
"""
NEWS = """
cascade: news
title: News
class: advertising
topic: news
trigger: {event: seen, key: thing}
reentry: parallel_by_key
holdout: 20%%
stop_on: [reply]
goal: {event: bought, within: 3d}
budget: {total: %(budget)s KZT}
steps:
  - id: letter
    channel: email
    subject: Hello
    variants:
      - {id: plain, text: "%(words)s Hello {{ unsubscribe_url }}"}
      - {id: warm, text: "Dear {{ unsubscribe_url }}"}
    success: replied
    wait: [{unless: opened, for: 5h}, {unless: clicked, for: 2h, from: opened}]
  - id: chat
    channel: [telegram, viber]
    text: "Hello {{ trigger.thing }} {{ unsubscribe_url }}"
    wait: 6h
    on_fail: retry
  - {id: sms, channel: sms, text: "x {{ unsubscribe_url }}", wait: 3h, holdout: 20%%}
  - {id: offer, channel: email, subject: o, text: "o {{ unsubscribe_url }}", only: branch}
branches:
  - {when: letter.clicked, unless_goal_in: 1h, go: offer}
"""
CARE = """
cascade: care
title: Care
class: service
topic: care
trigger: {event: left}
reentry: {after_finish: 1h}
exit_if: "contact.name == 'p5'"
steps:
  - {id: chat, channel: telegram, text: "%(words)s t", success: clicked, wait: 1h, on_fail: stop}
  - {id: sms, channel: sms, text: t, wait: 90m}
  - {id: letter, channel: email, subject: s, text: t, wait: 10h}
"""
SALE = """
cascade: sale
title: Sale
class: advertising
topic: news
trigger: {broadcast: everybody}
reentry: restart
steps:
  - {id: sms, channel: sms, text: "%(words)s {{ unsubscribe_url }}", wait: 1h}
  - {id: letter, channel: email, subject: s, text: "t {{ unsubscribe_url }}", wait: 4h}
"""
BIRTHDAY = """
cascade: birthday
title: Birthday
class: service
trigger: {date: birthday, every: year, at: "09:00"}
reentry: restart
steps:
  - {id: card, channel: sms, text: "%(words)s {{ trigger.years }}", wait: 1d}
  - {id: letter, channel: email, subject: s, text: t, wait: 3h}
"""
BUYERS = """
cascade: buyers
title: Buyers
class: service
trigger: {segment: buyers}
reentry: {after_finish: 1h}
goal: {event: bought, within: 2d, value: amount}
steps:
  - {id: chat, channel: [viber, telegram], text: "%(words)s", wait: 1h}
  - {id: letter, channel: email, subject: s, text: t, wait: 3h}
"""
SEGMENT = 'event("bought").count >= 1 and contact.name != "p0"'
TEXTS = {"cart": CART, "news": NEWS, "care": CARE, "sale": SALE, "birthday": BIRTHDAY, "buyers": BUYERS}
ADVERTISING = ("news", "sale")
EXTRA = '  - {id: extra, channel: viber, text: "e {{ unsubscribe_url }}", wait: 1h}\n  - {id: letter'


def text_of(slug: str, words: str, *, budget: int = 40, extra: bool = False) -> str:
    """Return a definition whose first text says `words`; with `extra` a step stands before the letter."""
    text = TEXTS[slug] % {"words": words, "budget": budget}
    return text.replace("  - {id: letter", EXTRA, 1) if extra else text
