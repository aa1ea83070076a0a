"""The plainest cascades, for tests that are about something else."""

LETTER = """
cascade: plain
title: Plain
class: service
trigger: {event: joined}
goal: {event: bought}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
"""
LETTER_AND_SMS = f"{LETTER}  - {{id: sms, channel: sms, text: Hello, wait: 1d}}\n"
