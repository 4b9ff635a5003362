"""Fixtures that several tests share: each is a real server in the test's own folder.

A test that needs its server to stop, move or come back uses `tests.servers` itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from appliance.demo.authority import Authority
from tests import servers

# A slow moment of the machine is no failure.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

_MAY_BE_SKIPPED = "root may write everywhere"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """F15: say which faults were not tried; where CI runs, that is a failure."""
    skipped = terminalreporter.stats.get("skipped", [])
    lacking = [each for each in skipped if _MAY_BE_SKIPPED not in str(each.longrepr)]
    if lacking:
        terminalreporter.write_line(
            f"{len(lacking)} tests of faults were not tried: they need root, or a program."
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """As above, for whoever reads the exit code."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") and os.getuid() == 0 and exitstatus == 0:
        lacking = [each for each in skipped if _MAY_BE_SKIPPED not in str(each.longrepr)]
        session.exitstatus = pytest.ExitCode.TESTS_FAILED if lacking else exitstatus


@pytest.fixture(scope="session", autouse=True)
def tools_apart() -> None:
    """We found the tools of the tests by PYTHONPATH; the commands that tests start must not."""
    os.environ.pop("PYTHONPATH", None)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder that `sshd` and `https` serve: put the exports here."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def sshd(tmp_path: Path, served: Path) -> Iterator[servers.Sshd]:
    """OpenSSH serving `served` read-only over SFTP; log in with `sshd.user_key`."""
    with servers.sshd(tmp_path / "sshd", served) as server:
        yield server


@pytest.fixture
def ssh_shell(tmp_path: Path) -> Iterator[servers.Sshd]:
    """OpenSSH with a shell that finds borg: for `ssh://` repositories."""
    with servers.sshd(tmp_path / "ssh_shell", tmp_path, shell=True) as server:
        yield server


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of ours; `ca.certificate` is the file to trust."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def https(tmp_path: Path, served: Path, ca: Authority) -> Iterator[servers.Https]:
    """nginx with TLS serving `served` under /open, /basic, /bearer, /header and /query."""
    with servers.https(tmp_path / "https", served, ca) as server:
        yield server


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[servers.S3]:
    """rclone's S3 server with one empty bucket, whose objects are files below `bucket_folder`."""
    with servers.s3(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def versioned_s3() -> Iterator[servers.S3]:
    """moto's S3 with one empty bucket that keeps every version."""
    with servers.versioned_s3() as server:
        yield server
