"""Branches: reactions that lead to another step, always a later one."""

from __future__ import annotations

from kaskad.domain.cascade import Branch, Step, agents_asked
from kaskad.domain.definition.form import Form
from kaskad.domain.definition.problem import did_you_mean
from kaskad.domain.definition.schema import KEYS
from kaskad.domain.definition.steps import REACTION_HABITS, REACTION_WORDS, check_told
from kaskad.domain.terms import Reaction
from kaskad.domain.worded import worded


def read_branches(form: Form, steps: tuple[Step, ...]) -> tuple[Branch, ...]:
    """Return the branches as far as they can be read; steps that no branch enters are reported."""
    numbers = {step.id: step.number for step in reversed(steps) if step.id}
    found: list[Branch] = []
    for node, path in form.items("branches", 50):
        one = Form(node, path, KEYS["branch"], form.report)
        branch = _branch(one, numbers)
        if branch is None:
            continue
        if any((other.step, other.reaction) == (branch.step, branch.reaction) for other in found):
            form.report.error(
                one.at("when"), worded("a branch above has the same `when`"), worded("keep one of them")
            )
        _check(one, branch, steps, has_goal=form.has("goal"))
        found.append(branch)
    entered = {branch.go for branch in found} | set(agents_asked(steps).values())
    for step in steps:
        if step.only_branch and step.number not in entered:
            remedy = worded(
                "add `branches: [{when: %(steps)s.clicked, go: %(step)s}]`",
                steps=steps[0].id or "letter",
                step=step.id,
            )
            form.report.error(
                f"steps[{step.number}].only", worded("no branch leads to `%(step)s`", step=step.id), remedy
            )
    if steps and all(step.only_branch for step in steps):
        form.report.error(
            "steps[0].only",
            worded("every step is entered by a branch only"),
            worded("remove `only` from the first"),
        )
    return tuple(found)


def _branch(form: Form, numbers: dict[str, int]) -> Branch | None:
    form.require("when", worded("write step and reaction, for example `when: letter.clicked`"))
    form.require("go", worded("name the step it leads to"))
    when, go, span = form.text("when"), form.text("go"), form.span("unless_goal_in")
    name, dot, word = when.rpartition(".")
    if when and not dot:
        form.report.error(
            form.at("when"),
            worded("`%(when)s` names no reaction", when=when[:40]),
            worded("write `%(when)s.clicked`", when=when[:40]),
        )
        return None
    reaction = REACTION_WORDS.get(word)
    if when and reaction is None:
        remedy = did_you_mean(word, REACTION_WORDS, REACTION_HABITS)
        form.report.error(form.at("when"), worded("`%(word)s` is no reaction", word=word[:40]), remedy)
    for key, step in (("when", name), ("go", go)):
        if step and step not in numbers:
            remedy = did_you_mean(step, numbers)
            form.report.error(form.at(key), worded("there is no step `%(step)s`", step=step[:40]), remedy)
    if name not in numbers or go not in numbers or reaction is None:
        return None
    return Branch(numbers[name], reaction, numbers[go], span)


def _check(form: Form, branch: Branch, steps: tuple[Step, ...], *, has_goal: bool) -> None:
    if branch.go <= branch.step:
        go, when = steps[branch.go].id, steps[branch.step].id
        back = (
            worded("itself") if branch.go == branch.step else worded("`%(go)s`, which comes before it", go=go)
        )
        remedy = (
            worded("put `%(go)s` after `%(when)s`", go=go, when=when)
            if go != when
            else worded("name a later step")
        )
        form.report.error(
            form.at("go"),
            worded("a branch leads forward only: `%(when)s` cannot go to %(back)s", when=when, back=back),
            remedy,
        )
    if branch.reaction is not Reaction.NONE:
        check_told(steps[branch.step].channels, branch.reaction, form.at("when"), form.report)
    if branch.unless_goal_in is not None and not has_goal:
        form.report.error(
            form.at("unless_goal_in"), worded("the cascade has no goal to wait for"), worded("add a `goal`")
        )
