"""What of the 25 scenarios cannot be tested yet, and which part it waits for."""

MISSING: dict[int, tuple[tuple[str, str], ...]] = {
    2: (("no second touch in reports as success", "analytics"),),
    3: (("the open rate leaves the prefetch out on both sides", "analytics"),),
    4: (("GET on the unsubscribe link changes nothing", "seen in tests/web/test_tracking.py"),),
    6: (("forged or old signatures are answered 401", "seen in tests/web/test_hooks.py"),),
    7: (("look-up of a message at the provider", "an adapter that offers one"),),
    9: (("resolved by look-up", "an adapter that offers one"),),
    10: (
        ("the agent's task is withdrawn", "agent tasks"),
        ("one confirmation at most", "confirmations of opt-outs"),
    ),
    14: (("migrated runs never get step 1 twice", "`runs migrate`"),),
    20: (
        ("text variant “tomorrow at 08:00”", "templates with variants by date"),
        ("calendar invite, SEQUENCE + 1", "calendar attachments"),
    ),
    21: (("activation is blocked with the article named", "law data"),),
    22: (
        ("withdrawn later: old pixel URLs record nothing", "tracking consent pages"),
        ("`not_opened` steps use `not_clicked`", "tracking consent in the definition's clocks"),
    ),
    23: (("the preview shows who gets two parts", "forecast and previews"),),
    24: (
        ("code 131049 of the real service", "the WhatsApp adapter"),
        ("template paused: skipped(no_template), alert", "WhatsApp templates"),
    ),
    25: (
        ("identity erased, hash kept, export before", "erasure and export"),
        ("the task goes from the agent's screen", "agent tasks"),
    ),
}
