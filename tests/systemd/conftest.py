"""A machine on which the product was installed, made once and copied for each test."""

from __future__ import annotations

import pytest

from tests.systemd.another_root import AnotherRoot, same_python, why_not


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """A machine with a checkout and the Python packages on it, and nothing installed yet."""
    if reason := why_not():
        pytest.skip(reason)
    if not same_python():
        pytest.skip("the packages of the tests are for another Python than the system's")
    root = AnotherRoot.made(tmp_path_factory.mktemp("machine") / "bare")
    root.check_out()
    root.have_packages()
    return root


@pytest.fixture(scope="session")
def installed_once(bare, tmp_path_factory):
    root = bare.copy(tmp_path_factory.mktemp("machine") / "installed")
    done = root.make("install")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def fresh(bare, tmp_path):
    return bare.copy(tmp_path / "machine")


@pytest.fixture
def installed(installed_once, tmp_path):
    return installed_once.copy(tmp_path / "machine")
