"""What only the whole definition can show: names that do not exist, and what experience warns of."""

from __future__ import annotations

import re

from kaskad.domain.cascade import Cascade, Content, Step
from kaskad.domain.channels import CHANNELS
from kaskad.domain.condition import ROOTS, STEP_FIELDS, Condition, Name, walk
from kaskad.domain.content import PREFERENCES, UNSUBSCRIBE
from kaskad.domain.definition.form import Report
from kaskad.domain.definition.problem import did_you_mean
from kaskad.domain.definition.steps import check_reactions
from kaskad.domain.enclosing import FILES, compile_enclosing
from kaskad.domain.leaving import unsaid
from kaskad.domain.letter import faults
from kaskad.domain.mjml import MAX_SHOWN, html_of
from kaskad.domain.sms import parts
from kaskad.domain.span import HOUR_MS, approximate_ms
from kaskad.domain.speech import too_long, wrong_marks
from kaskad.domain.template import BadTemplate, Template, compile_text
from kaskad.domain.template.bounds import check_markup
from kaskad.domain.terms import Channel, MessageClass, Reaction
from kaskad.domain.worded import worded

COMMERCIAL = (MessageClass.ADVERTISING, MessageClass.SERVICE)
MAX_COMFORTABLE_STEPS = 4
# What stands for a value in the estimate of an SMS: the longest name of a real base, a short tracked link.
LONG_NAME, OTHER_VALUE, TRACKED_LINK = 30, 10, 50

_TEXTS = ("subject", "html", "mjml", "text", "say", "script")
_STEP_NAME = re.compile(r"steps(?:\.([\w-]+)|\[[\"']([^\"']+)[\"']\])(?:\.(\w+))?")
_CHOICE = re.compile(
    r"{%-?\s*(?:if|unless)\b(?:(?!{%-?\s*(?:if|unless)\b).)*?{%-?\s*end(?:if|unless)\s*-?%}", re.DOTALL
)
_TAG = re.compile(r"{%.*?%}", re.DOTALL)
_VALUE = re.compile(r"{{(.*?)}}", re.DOTALL)


def check_whole(cascade: Cascade, report: Report) -> None:
    """Report what is wrong or unwise between the parts of a definition."""
    numbers = {step.id: step.number for step in cascade.steps if step.id}
    for step in cascade.steps:
        place = f"steps[{step.number}]"
        check_reactions(step, report)
        _check_condition(step.condition, f"{place}.if", numbers, step.number, report)
        _check_texts(step.content, place, numbers, step.number, report)
        for index, variant in enumerate(step.variants):
            own = _own(variant.content, step.content)
            _check_texts(own, f"{place}.variants[{index}]", numbers, step.number, report)
        if step.urgent and cascade.message_class is MessageClass.ADVERTISING:
            report.error(
                f"{place}.urgent",
                worded("advertising is never urgent"),
                worded("remove `urgent`, or change the class"),
            )
    _check_condition(cascade.exit_if, "exit_if", numbers, len(cascade.steps), report)
    _check_trigger_condition(cascade.trigger.condition, report)
    if cascade.urgent and cascade.message_class is MessageClass.ADVERTISING:
        report.error(
            "urgent", worded("advertising is never urgent"), worded("remove `urgent`, or change the class")
        )
    _warn(cascade, report)


def _own(variant: Content, content: Content) -> Content:
    """Return what a variant says differently from its step, whose own words are checked there."""
    names = [name for name in content.__struct_fields__ if getattr(variant, name) != getattr(content, name)]
    return Content(**{name: getattr(variant, name) for name in names})


def _check_condition(
    condition: Condition | None, path: str, numbers: dict[str, int], here: int, report: Report
) -> None:
    for name in _names(condition):
        if name.path[0] == "steps":
            _check_step(name.path[1], name.path[2], path, numbers, here, report)


def _check_trigger_condition(condition: Condition | None, report: Report) -> None:
    for name in _names(condition):
        if name.path[0] in ("steps", "run"):
            shown = ".".join(name.path)
            report.error(
                "trigger.if",
                worded("`%(shown)s` is not there before the run", shown=shown),
                worded("use trigger.… and contact.…"),
            )


def _names(condition: Condition | None) -> list[Name]:
    return [node for node in walk(condition.tree) if isinstance(node, Name)] if condition else []


def _check_step(step: str, field: str, path: str, numbers: dict[str, int], here: int, report: Report) -> None:
    if step not in numbers:
        report.error(path, worded("there is no step `%(step)s`", step=step[:40]), did_you_mean(step, numbers))
    elif numbers[step] >= here:
        report.error(
            path,
            worded("step `%(step)s` comes no earlier, so nothing is known of it", step=step),
            worded("name an earlier step"),
        )
    elif field and field not in STEP_FIELDS:
        report.error(
            path, worded("a step has no `%(field)s`", field=field[:40]), did_you_mean(field, STEP_FIELDS)
        )


def _check_texts(content: Content, place: str, numbers: dict[str, int], here: int, report: Report) -> None:
    texts = [(name, getattr(content, name)) for name in _TEXTS]
    for index, button in enumerate(content.buttons):
        texts += [(f"buttons[{index}].text", button.text), (f"buttons[{index}].url", button.url)]
    texts += [(f"media[{index}]", address) for index, address in enumerate(content.media)]
    if content.approved is not None:
        texts.append(("approved.header", content.approved.header))
        for name in ("parameters", "buttons"):
            told_texts = enumerate(getattr(content.approved, name))
            texts += [(f"approved.{name}[{index}]", text) for index, text in told_texts]
    texts += [(f"attach[{index}].name", one.name) for index, one in enumerate(content.attach)]
    if content.calendar is not None:
        told = content.calendar
        texts += [(f"calendar.{name}", getattr(told, name)) for name in ("title", "place", "about", "uid")]
    try:
        compile_enclosing(Content(attach=content.attach), None, "", frozenset(), place)
    except BadTemplate as bad:
        report.error(f"{place}.attach", bad.problem, bad.remedy)
    for name, text in texts:
        if not text:
            continue
        path = f"{place}.{name}"
        try:
            template = compile_text(text, name=path, autoescape=name in ("html", "mjml"))
            if name == "html":
                check_markup(text, path)
            html = html_of(text, path) if name == "mjml" else text
            shown = len(html.encode("utf-8", "replace"))
        except BadTemplate as bad:
            problem = bad.problem
            if "\n" in text.strip():
                problem = worded("%(problem)s in line %(line)s of the text", problem=problem, line=bad.line)
            report.error(path, problem, bad.remedy)
            continue
        if name == "say" and (wrong := wrong_marks(shortest(text))):
            report.error(path, wrong, worded("close each tag, and write & as &amp;; or leave the tags out"))
        if name in ("html", "mjml") and shown > MAX_SHOWN:
            report.warn(
                path,
                worded(
                    "%(size)s kB of HTML: Gmail cuts a letter off behind 100 kB, and with it the way to "
                    "leave",
                    size=shown // 1000,
                ),
                worded("shorten it, or link to the rest"),
            )
        for fault in faults(text if name == "mjml" else html) if name in ("html", "mjml") else ():
            (report.error if fault.grave else report.warn)(path, fault.message, fault.remedy)
        _check_variables(template, path, numbers, here, report)


def _check_variables(
    template: Template, path: str, numbers: dict[str, int], here: int, report: Report
) -> None:
    for variable in sorted(template.variables):
        root = re.split(r"[.\[]", variable, maxsplit=1)[0]
        found = _STEP_NAME.match(variable)
        if root not in (*ROOTS, UNSUBSCRIBE, PREFERENCES, FILES):
            remedy = did_you_mean(root, ROOTS) if len(root) > 3 else ""
            if not remedy.startswith("did"):
                remedy = worded("write `contact.%(root)s` or `trigger.%(root)s`", root=root)
            report.error(path, worded("`%(variable)s` is not known in texts", variable=variable[:40]), remedy)
        elif found:
            _check_step(found[1] or found[2], found[3] or "", path, numbers, here, report)


def _warn(cascade: Cascade, report: Report) -> None:
    main = [step for step in cascade.steps if not step.only_branch]
    if len(main) > MAX_COMFORTABLE_STEPS:
        report.warn(
            f"steps[{main[MAX_COMFORTABLE_STEPS].number}]",
            worded(
                "%(n)s steps: over %(most)s messages tire a person more than they reach",
                n=len(main),
                most=MAX_COMFORTABLE_STEPS,
            ),
            worded("keep the best three or four"),
        )
    if cascade.goal is None and cascade.message_class in COMMERCIAL:
        report.warn(
            "",
            worded("the cascade has no `goal`, so it goes on after a purchase"),
            worded("add `goal: {event: purchase}`"),
        )
    if cascade.message_class is MessageClass.ADVERTISING and not cascade.topic:
        report.warn(
            "class",
            worded("advertising without a `topic`: a contact can only leave everything"),
            worded("add `topic: news`"),
        )
    _warn_order(main, report)
    for step in cascade.steps:
        _warn_step(step, cascade, report)


def _warn_order(main: list[Step], report: Report) -> None:
    before: Step | None = None
    for step in main:
        if not step.channels or step.at is not None:
            continue
        if before is not None and _price_rank(before) > _price_rank(step):
            report.warn(
                f"steps[{step.number}].channel",
                worded(
                    "%(first)s is dearer than %(second)s, and comes before it",
                    first=before.channels[0],
                    second=step.channels[0],
                ),
                worded("put the cheaper channel first"),
            )
        before = step


def _price_rank(step: Step) -> int:
    return min(CHANNELS[channel].price_rank for channel in step.channels)


def _warn_step(step: Step, cascade: Cascade, report: Report) -> None:
    place = f"steps[{step.number}]"
    for index, clock in enumerate(step.wait):
        bare = clock.unless is Reaction.NONE
        hurried = 0 < approximate_ms(clock.span) < HOUR_MS and clock.start is None
        if hurried and cascade.message_class in COMMERCIAL and step.number + 1 < len(cascade.steps):
            path = f"{place}.wait" if bare else f"{place}.wait[{index}].for"
            report.warn(path, worded("less than an hour is no time to react"), worded("wait an hour or more"))
    opt_out = "opt_out" in step.keys.values()
    if (
        Channel.ROBOT_CALL in step.channels
        and cascade.message_class is MessageClass.ADVERTISING
        and not opt_out
    ):
        report.warn(
            place,
            worded("the robot call offers no key to refuse"),
            worded("add `keys: {9: opt_out}` and say so"),
        )
    if cascade.message_class is MessageClass.ADVERTISING:
        _warn_leaving(step, place, report)
    if Channel.ROBOT_CALL in step.channels:
        _warn_speech(step, place, report)
    if Channel.SMS in step.channels:
        contents = [(place, step.content)]
        for index, variant in enumerate(step.variants):
            contents.append((f"{place}.variants[{index}]", _own(variant.content, step.content)))
        for path, content in contents:
            _warn_sms(content.text, f"{path}.text", report)


def _warn_leaving(step: Step, place: str, report: Report) -> None:
    """Warn of words that do not tell how to leave; those of templates are looked at where these are known."""
    told = [(variant.content, f"{place}.variants[{index}]") for index, variant in enumerate(step.variants)]
    found = set()
    for content, path in told or [(step.content, place)]:
        for one in (
            () if content.template else [one for each in step.channels for one in unsaid(content, each)]
        ):
            own = getattr(content, one.field) != getattr(step.content, one.field)
            found.add((f"{path if own else place}.{one.field}", one))
    for path, one in sorted(found):
        report.warn(path, one.message, one.remedy)


def _warn_speech(step: Step, place: str, report: Report) -> None:
    contents = [(place, step.content)]
    contents += [
        (f"{place}.variants[{index}]", _own(variant.content, step.content))
        for index, variant in enumerate(step.variants)
    ]
    for path, content in contents:
        if content.say and (words := too_long(longest(content.say))):
            report.warn(f"{path}.say", words, worded("say one thing, and what to press"))


def _warn_sms(text: str, path: str, report: Report) -> None:
    count = parts(longest(text)) if text else 0
    if count > 1:
        report.warn(
            path,
            worded("the SMS can grow to %(count)s parts, each of them paid", count=count),
            worded("shorten it, or accept the price"),
        )


def longest(text: str) -> str:
    """Return about the longest text that a template can become, for an estimate of its parts."""
    letter = "a" if text.isascii() else "я"
    text = _CHOICE.sub(lambda found: max(_TAG.split(found[0]), key=len), text)
    return _VALUE.sub(lambda found: _stand_in(found[1], letter), _TAG.sub("", text)).strip()


def shortest(text: str) -> str:
    """Return the text that a template becomes where nothing optional is said and no value has a letter."""
    return _VALUE.sub("", _TAG.sub("", _CHOICE.sub("", text))).strip()


def _stand_in(expression: str, letter: str) -> str:
    if "link(" in expression:
        return "h" * TRACKED_LINK
    return letter * LONG_NAME if "name" in expression else "0" * OTHER_VALUE
