"""How the help of commands reads: arguments in capitals, paragraphs as wide as the terminal, by topic."""

from __future__ import annotations

from inspect import cleandoc

from typer.core import TyperCommand, TyperGroup

# Every command stands under one heading, first what one needs first.
TOPICS = {
    "To begin with": ("demo", "init", "serve", "doctor", "account", "send-test", "run"),
    "Cascades": (
        "check", "plan", "apply", "cascades", "launch", "pause", "resume", "stop", "cascade", "template",
        "file", "approval", "guard", "canary", "trial", "winners", "learnt", "schema",
    ),
    "What is to be expected": ("forecast", "simulate", "optimize", "backtest"),
    "People": (
        "import", "imports", "contact", "list", "segment", "attribute", "event", "form", "domain", "seed",
        "suppress", "stops", "erasures",
    ),
    "What happens": ("runs", "explain", "thread", "task", "alarm", "hits"),
    "Figures and money": (
        "report", "figures", "complaints", "uplift", "control", "attribution", "customers", "money", "bill",
        "bills", "rates", "export",
    ),
    "Settings": ("brand", "policy", "site", "webhook", "user", "key", "audit"),
    "The installation": ("worker", "db", "sandbox", "phones", "set-aside", "bench"),
}  # fmt: skip


def make_readable(root: TyperGroup) -> None:
    """Let the help of a command, and of all below it, read well at any width; put its commands in order."""
    topics = {name: topic for topic, names in TOPICS.items() for name in names}
    for name, topic in topics.items():
        if (command := root.commands.pop(name, None)) is not None:
            root.commands[name] = command
            assert isinstance(command, TyperCommand | TyperGroup)
            command.rich_help_panel = topic
    _reword(root)


def _reword(command: object) -> None:
    if isinstance(command, TyperCommand | TyperGroup):
        command.help = in_paragraphs(command.help)
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                parameter.metavar = parameter.metavar or (parameter.name or "").upper()
    if isinstance(command, TyperGroup):
        for below in command.commands.values():
            _reword(below)


def in_paragraphs(text: str | None) -> str | None:
    """Return a docstring with each paragraph in one line: only a terminal knows how wide it is."""
    return text and "\n\n".join(" ".join(part.split()) for part in cleandoc(text).split("\n\n"))
