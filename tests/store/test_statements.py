"""The files of statements are written as their README says, and both databases understand every one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from kaskad.domain.errors import StoreError
from kaskad.store.db import Database
from kaskad.store.postgres import PostgresDatabase
from kaskad.store.sqlite import SqliteDatabase
from kaskad.store.statements import BadStatement, Dialect, read, statements

SOURCE = Path(__file__).parents[2] / "src" / "kaskad"
CALLS = {"all", "one", "run", "many", "changed_many", "start_many", "among"}


def one(text: str, dialect: Dialect = "sqlite") -> str:
    (statement,) = read([("x.sql", text)], dialect).values()
    return statement.text


def names_in_code() -> Iterator[tuple[str, str]]:
    """Yield the file and the name of every statement that is run by a literal name, as `tx.all("name")`."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=receiver), attr=call),
                    args=[ast.Constant(value=str(name)), *_],
                ) if call in CALLS and receiver.endswith("tx"):
                    yield path.name, name


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(BadStatement, match=r"already in a\.sql"):
        read([("a.sql", "-- name: x\nSELECT 1"), ("b.sql", "-- name: x\nSELECT 2")], "sqlite")


def test_a_text_for_one_database_needs_one_for_the_other() -> None:
    both = "-- name: x (sqlite)\nSELECT 1;\n-- name: x (postgresql)\nSELECT 2;\n"
    assert one(both) == "SELECT 1"
    assert one(both, "postgresql") == "SELECT 2"
    with pytest.raises(BadStatement, match="sqlite only"):
        read([("a.sql", "-- name: x (sqlite)\nSELECT 1")], "postgresql")
    with pytest.raises(BadStatement, match="both a common text"):
        read([("a.sql", both + "-- name: x\nSELECT 3")], "sqlite")


def test_one_name_is_one_statement() -> None:
    with pytest.raises(BadStatement, match="more than one"):
        one("-- name: x\nSELECT 1; SELECT 2;")
    with pytest.raises(BadStatement, match="no text"):
        one("-- name: x\n-- nothing\n")
    assert one("-- name: x\nSELECT ';'") == "SELECT ';'"


def test_words_of_one_database_stand_in_marked_comments() -> None:
    text = "-- name: x\nSELECT 1 /* sqlite: + 1 */ /* postgresql: + 2 */ /* both */"
    assert one(text).split() == ["SELECT", "1", "+", "1"]
    assert one(text, "postgresql").split() == ["SELECT", "1", "+", "2"]


def test_parameters_are_told_from_texts_casts_and_comments() -> None:
    text = "-- name: x\nSELECT :a::text, ':b', \"c:d\", a % :c2 -- :e\n"
    assert one(text).strip() == "SELECT :a::text, ':b', \"c:d\", a % ?2"
    assert one(text, "postgresql").strip() == "SELECT %(a)s::text, ':b', \"c:d\", a %% %(c2)s"
    assert read([("x.sql", text)], "sqlite")["x"].parameters == {"a", "c2"}


def test_arrays_are_numbered_without_a_gap() -> None:
    with pytest.raises(BadStatement, match="arrays"):
        one("-- name: x\nSELECT unnest(:c1::bigint[]), unnest(:c3::text[])", "postgresql")


def test_the_comment_is_kept() -> None:
    (statement,) = read([("x.sql", "-- name: x\n-- Why.\n-- hot\nSELECT 1")], "sqlite").values()
    assert statement.comment == "Why.\nhot"
    assert statement.hot


def test_both_databases_have_the_same_statements() -> None:
    assert statements("sqlite").keys() == statements("postgresql").keys()


def test_no_statement_lies_unused_and_none_is_missing() -> None:
    code = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    words = set(re.findall(r"\"(\w+)\"", code))
    unused = {
        f"{statement.file}: {name}" for name, statement in statements("sqlite").items() if name not in words
    }
    assert not unused
    missing = {f"{file}: {name}" for file, name in names_in_code() if name not in statements("sqlite")}
    assert not missing


def test_every_statement_is_understood(db: Database) -> None:
    wrong = {}
    for name, statement in statements(db.dialect).items():
        if statement.text.startswith("CREATE"):  # run by every upgrade; PREPARE takes none
            continue
        try:
            prepare(db, statement.text)
        except (apsw.Error, StoreError) as error:
            wrong[f"{statement.file}: {name}"] = str(error)
    assert not wrong


def prepare(db: Database, text: str) -> None:
    if isinstance(db, SqliteDatabase):
        connection = apsw.Connection(db.name)
        given = [int(number) for number in re.findall(r"\?(\d+)", text)]
        names = dict.fromkeys(re.findall(r":(\w+)", text))
        connection.execute(f"EXPLAIN {text}", [None] * max(given) if given else names).fetchall()
        connection.close()
    elif isinstance(db, PostgresDatabase):
        numbers: dict[str, int] = {}
        places = re.sub(r"%\((\w+)\)s", lambda m: f"${numbers.setdefault(m[1], len(numbers) + 1)}", text)
        with db.write() as tx:
            tx.script(f"PREPARE understood AS {places.replace('%%', '%')}; DEALLOCATE understood")
