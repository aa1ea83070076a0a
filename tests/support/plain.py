"""The plainest cascades, for tests that are about something else."""

HEAD = """
cascade: plain
title: Plain
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
"""
LETTER = f"{HEAD}  - {{id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}}\n"
LETTER_AGAIN = LETTER.replace("wait: 1d", "wait: 1d, on_fail: retry")
LETTER_AND_SMS = f"{LETTER}  - {{id: sms, channel: sms, text: Hello, wait: 1d}}\n"
