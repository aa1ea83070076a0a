"""`pytest tests/providers --update-cases` rewrites our half of the cases; read that diff."""


def pytest_addoption(parser):
    parser.addoption("--update-cases", action="store_true", help="rewrite what we build and read")
