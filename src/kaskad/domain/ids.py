"""How ids are written where people and other programs see them; inside they are integers."""

from __future__ import annotations

import re

_contact = re.compile(r"con_(\d{1,18})").fullmatch
_bill = re.compile(r"bill_(\d{1,18})").fullmatch
_import = re.compile(r"imp_(\d{1,18})").fullmatch
_erasure = re.compile(r"era_(\d{1,18})").fullmatch
_launch = re.compile(r"launch_(\d{1,18})").fullmatch
_task = re.compile(r"task_(\d{1,18})_(\d{1,18})_(\d{1,4})_(\d{1,4})").fullmatch
_run = re.compile(r"run_(\d{1,18})_(\d{1,18})").fullmatch


def run_text(contact_id: int, run_id: int) -> str:
    """Return the id of a run as the API and the command line write it."""
    return f"run_{contact_id}_{run_id}"


def read_run(text: str) -> tuple[int, int] | None:
    """Return (contact id, run id) of a run's text, or None where it is none."""
    found = _run(text)
    return (int(found[1]), int(found[2])) if found else None


def task_text(contact_id: int, run_id: int, step: int, attempt: int) -> str:
    """Return the id of an agent's task as the API and the command line write it."""
    return f"task_{contact_id}_{run_id}_{step}_{attempt}"


def read_task(text: str) -> tuple[int, int, int, int] | None:
    """Return (contact id, run id, step, attempt) of a task's text, or None where it is none."""
    found = _task(text)
    return (int(found[1]), int(found[2]), int(found[3]), int(found[4])) if found else None


def launch_text(launch_id: int) -> str:
    """Return the id of a launch as the API and the command line write it."""
    return f"launch_{launch_id}"


def read_launch(text: str) -> int | None:
    """Return the id of a launch's text, or None where it is none."""
    found = _launch(text)
    return int(found[1]) if found else None


def contact_text(contact_id: int) -> str:
    """Return the id of a contact as the API and the command line write it."""
    return f"con_{contact_id}"


def read_contact(text: str) -> int | None:
    """Return the contact id of its text, or None where it is none."""
    found = _contact(text)
    return int(found[1]) if found else None


def import_text(import_id: int) -> str:
    """Return the id of an import as the API and the command line write it."""
    return f"imp_{import_id}"


def read_import(text: str) -> int | None:
    """Return the import id of its text, or None where it is none."""
    found = _import(text)
    return int(found[1]) if found else None


def bill_text(bill_id: int) -> str:
    """Return the id of a provider's bill as the API and the command line write it."""
    return f"bill_{bill_id}"


def read_bill(text: str) -> int | None:
    """Return the bill's id of its text, or None where it is none."""
    found = _bill(text)
    return int(found[1]) if found else None


def erasure_text(erasure_id: int) -> str:
    """Return the id of an act of erasure as the API and the command line write it."""
    return f"era_{erasure_id}"


def read_erasure(text: str) -> int | None:
    """Return the id of an act of erasure, or None where the text is none."""
    found = _erasure(text)
    return int(found[1]) if found else None
