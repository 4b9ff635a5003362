"""Secrets: found, kept private, never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError, ConfigError
from appliance.system.secrets import Secrets, credentials_directory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "secrets"


def test_what_is_put_comes_back_private_and_durable(folder: Path) -> None:
    Secrets(folder).put("crm_sftp", "pä55 wörd\n")
    assert Secrets(folder).get("crm_sftp") == "pä55 wörd\n"
    assert (folder / "crm_sftp").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    Secrets(folder).put("crm_sftp", "new")
    assert Secrets(folder).get("crm_sftp") == "new"


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("a", "a"),
        ("a\n", "a"),
        ("a\n\n", "a\n"),
        ("a\r\n", "a"),
        (" a ", " a "),
        ("k\nk\n", "k\nk"),
    ],
)
def test_one_newline_at_the_end_is_the_editors(folder: Path, written: str, secret: str) -> None:
    folder.mkdir(parents=True)
    (folder / "key").touch(0o600)
    (folder / "key").write_bytes(written.encode())
    assert Secrets(folder).get("key") == secret


def test_systemds_credentials_come_first(folder: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    secrets = Secrets(folder, credentials)
    secrets.put("a", "ours")
    assert secrets.get("a") == "ours"
    (credentials / "a").write_text("theirs")  # systemd makes it 0440: nothing to refuse
    assert secrets.get("a") == "theirs"


def test_a_missing_secret_is_named_and_how_to_set_it(folder: Path) -> None:
    assert not Secrets(folder).has("crm_sftp")
    with pytest.raises(ConfigError, match="crm_sftp") as caught:
        Secrets(folder).get("crm_sftp")
    assert str(folder / "crm_sftp") in caught.value.message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o660])
def test_a_secret_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    Secrets(folder).put("a", "hush-hush")
    (folder / "a").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        Secrets(folder).get("a")
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "../a", "a/b", "A", "a.b", "a\n", ".", "x" * 65, "ä"])
def test_a_name_that_is_none_is_refused(folder: Path, name: str) -> None:
    for use in (
        Secrets(folder).get,
        Secrets(folder).has,
        lambda name: Secrets(folder).put(name, "x"),
    ):
        with pytest.raises(ConfigError):
            use(name)
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00"])
def test_what_is_empty_or_no_text_is_refused_without_showing_it(
    folder: Path, content: bytes
) -> None:
    folder.mkdir(parents=True)
    (folder / "a").touch(0o600)
    (folder / "a").write_bytes(content)
    with pytest.raises(ConfigError, match="“a”") as caught:
        Secrets(folder).get("a")
    assert caught.value.__cause__ is None


def test_no_value_is_ever_shown(folder: Path) -> None:
    secrets = Secrets(folder)
    secrets.put("a", "hush-hush")
    secrets.get("a")
    assert "hush" not in repr(secrets) + str(secrets) + str(vars(secrets))


def test_where_systemd_puts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert credentials_directory() is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/appliance.service")
    assert credentials_directory() == Path("/run/credentials/appliance.service")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ApplianceError, match="cannot be written"):
        Secrets(tmp_path / "file" / "secrets").put("a", "b")


def test_a_folder_that_may_not_be_entered_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may enter any folder, so the refusal is played to us."""

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(ConfigError, match="may not enter"):
        Secrets(folder).get("a")


def test_a_folder_of_credentials_is_known_by_the_name_that_our_unit_gives_it(
    folder: Path, tmp_path: Path
) -> None:
    unit = Path(__file__).parents[2] / "systemd/etc/systemd/system/appliance-worker.service"
    (line,) = [x for x in unit.read_text().splitlines() if x.startswith("LoadCredential=")]
    prefix, _, path = line.removeprefix("LoadCredential=").partition(":")
    assert path == "/etc/appliance/credentials"

    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / f"{prefix}_crm").write_text("theirs\n")  # systemd.exec(5), LoadCredential=
    assert Secrets(folder, credentials).get("crm") == "theirs"
