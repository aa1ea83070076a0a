"""`pytest tests/docs --update-pages` rewrites the pages that are made from the code; read that diff."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-pages", action="store_true", help="rewrite the pages made from the code")
