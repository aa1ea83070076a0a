"""Settings: where they come from, and what is said of a wrong one."""

from pathlib import Path

import pytest

from kaskad.config import Settings, load
from kaskad.domain.errors import Invalid


def problems(environment: dict[str, str], folder: Path) -> tuple[str, ...]:
    with pytest.raises(Invalid) as caught:
        load(environment, folder)
    return caught.value.problems


def test_without_file_and_variables_the_defaults_count(tmp_path: Path) -> None:
    assert load({}, tmp_path) == Settings()


def test_a_variable_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    (tmp_path / "kaskad.toml").write_text('listen = "0.0.0.0:80"\nlog_level = "debug"\n')
    settings = load({"KASKAD_LISTEN": "[::1]:9000"}, tmp_path)
    assert (settings.host, settings.port, settings.log_level) == ("::1", 9000, "debug")


@pytest.mark.parametrize(
    ("named", "means"),
    [
        ("/srv/a.db", "sqlite:/srv/a.db"),
        ("kaskad.db", "sqlite:kaskad.db"),
        ("C:\\data\\a.db", "sqlite:C:\\data\\a.db"),
        ("sqlite:a.db", "sqlite:a.db"),
        ("postgresql://k@db/k", "postgresql://k@db/k"),
    ],
)
def test_a_database_without_a_scheme_is_the_path_of_a_file(named: str, means: str, tmp_path: Path) -> None:
    assert load({"KASKAD_DATABASE": named}, tmp_path).database == means


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database", "mysql://host/name"),
        ("database", ""),
        ("database", "sqlite:"),
        ("database", "."),
        ("database", f"sqlite:{Path(__file__).parent}"),
        ("database", "postgresql:///"),
        ("base_url", "go.example.org"),
        ("base_url", "http://go.example.org:port"),
        ("listen", "8000"),
        ("listen", "localhost:99999"),
        ("listen", "localhost:²"),
        ("secret_key", "short"),
        ("api_key", "short"),
        ("proxies", "127.0.0.1, proxy"),
        ("private_webhooks", "crm.internal, http://10.0.0.1/"),
        ("private_webhooks", "yes, 10.0.0.1"),
        ("log_level", "loud"),
        ("log_style", "xml"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_setting(name: str, value: str, tmp_path: Path) -> None:
    (told,) = problems({f"KASKAD_{name.upper()}": value}, tmp_path)
    assert told.startswith(f"KASKAD_{name.upper()}: ")
    (tmp_path / "kaskad.toml").write_text(f'{name} = "{value}"\n')
    (told,) = problems({}, tmp_path)
    assert f"kaskad.toml, {name}: " in told


def test_every_wrong_setting_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "kaskad.toml").write_text("listen = 8000\nport = '1'\n")
    told = problems({"KASKAD_BASE_URL": "x", "KASKAD_SECRET_KEI": "y"}, tmp_path)
    assert len(told) == 4
    assert [word in " ".join(told) for word in ("listen", "port", "BASE_URL", "SECRET_KEI")] == [True] * 4


@pytest.mark.parametrize("value", ["8000", "true", "['a']", "{a = 1}"])
def test_an_unknown_name_is_told_as_such_whatever_its_value(value: str, tmp_path: Path) -> None:
    (tmp_path / "kaskad.toml").write_text(f"port = {value}\n")
    (told,) = problems({}, tmp_path)
    assert "port: there is no such setting" in told and "quotes" not in told


def test_a_secret_is_not_shown_when_it_is_wrong(tmp_path: Path) -> None:
    assert "hunter2" not in " ".join(problems({"KASKAD_SECRET_KEY": "hunter2"}, tmp_path))


def test_a_file_that_is_no_toml_or_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "kaskad.toml").write_text("listen: 8000")
    assert "kaskad.toml" in problems({}, tmp_path)[0]
    assert "none.toml" in problems({"KASKAD_CONFIG": str(tmp_path / "none.toml")}, tmp_path)[0]
    (tmp_path / "kaskad.toml").write_bytes("# Кириллица\n".encode("cp1251"))
    assert "this is not UTF-8 text, save it as such" in problems({}, tmp_path)[0]
    assert problems({"KASKAD_CONFIG": str(tmp_path)}, tmp_path) == (
        f"{tmp_path}: cannot be read: Is a directory",
    )


def test_variables_of_the_tests_and_of_debugging_are_no_settings(tmp_path: Path) -> None:
    assert load({"KASKAD_DEBUG": "1", "KASKAD_TEST_POSTGRES": "x", "PATH": "/bin"}, tmp_path) == Settings()
