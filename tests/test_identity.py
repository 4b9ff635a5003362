"""Root goes by a configuration as far as whoever may write it could go alone (E12)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from appliance import identity, pairing
from appliance.changing import editing
from appliance.config import MOUNTS
from appliance.core.errors import ApplianceError, ConfigError
from appliance.core.model import AttachedDisk

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
WORKER, STRANGER = 1234, 4321
CHECKOUT = Path(__file__).parent.parent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration of the worker's in a folder of root's, as it is installed."""
    for each in (tmp_path, *tmp_path.parents):
        if each.is_relative_to(tempfile.gettempdir()) and not each.stat().st_mode & 0o001:
            each.chmod(0o755)
    folder, state = tmp_path / "etc", tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 0, WORKER)
    folder.chmod(0o1770)
    state.mkdir(0o700)
    os.chown(state, WORKER, WORKER)
    file = folder / "appliance.toml"
    file.write_text(f'[appliance]\nstate = "{state}"\n')
    os.chown(file, WORKER, WORKER)
    file.chmod(0o640)
    return file


def whoami(file: Path) -> int:
    code = (
        "import os, sys, pathlib; from appliance import identity;"
        " identity.become_keeper_of(pathlib.Path(sys.argv[1])); print(os.getuid())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, file], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    return int(done.stdout)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> int:
    """A user that this machine knows: `sudo appliance` goes on as a user with a name."""
    import pwd

    return next(each.pw_uid for each in pwd.getpwall() if each.pw_uid not in (0, 65534))


def test_a_command_of_root_goes_on_as_the_writer_whatever_the_file_says(file, known, tmp_path):
    os.chown(file, known, known)
    file.write_text('[appliance]\nstate = "/root"\n')
    assert whoami(file) == known
    file.write_text("[appliance")
    assert whoami(file) == known


def test_a_file_of_root_s_says_whose_the_box_is(file, known, tmp_path):
    os.chown(file, 0, 0)
    os.chown(tmp_path / "state", known, known)
    assert whoami(file) == known


def test_a_link_that_the_worker_laid_is_the_worker_s(tmp_path, known):
    (link := tmp_path / "link.toml").symlink_to("/etc/hostname")
    os.lchown(link, known, known)
    assert identity.writer_of(link) == known
    assert whoami(link) == known


def test_root_writes_the_file_as_its_writer_and_is_root_again(file):
    uuid = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d"
    with identity.as_writer_of(file):
        assert os.geteuid() == WORKER
        editing.add_disk(file, "disk-a", uuid, "")
    assert (os.geteuid(), os.getegid()) == (0, 0)
    found = file.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (WORKER, WORKER, 0o640)


def test_a_link_in_the_file_s_place_leads_root_to_nothing_of_root_s(file, tmp_path):
    secret = tmp_path / "root-only.toml"
    secret.write_text('[appliance]\nname = "secret"\n')
    secret.chmod(0o600)
    file.unlink()
    file.symlink_to(secret)
    os.lchown(file, WORKER, WORKER)
    with pytest.raises(ConfigError, match="Permission denied"):
        pairing._settings(file, "disk-a", "")
    assert secret.read_text() == '[appliance]\nname = "secret"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[appliance]\nstate = "/root"\n', "belongs to somebody else"),
        ('[appliance]\nstate = "/nowhere/at/all"\n', "is not there"),
        ('[appliance]\nstate = "{state}"\n[disks]\nmounts = "/etc"\n', "and nowhere else"),
    ],
)
def test_no_disk_is_prepared_by_a_file_that_the_worker_bent(file, tmp_path, text, why):
    file.write_text(text.replace("{state}", str(tmp_path / "state")))
    disk = AttachedDisk("/dev/null", "", "", "", 0, (), True, False)
    for prepare in (
        lambda: pairing.pair(file, disk, "disk-a", "", lambda *_: None),
        lambda: pairing.recover(file, disk, "disk-a", ""),
    ):
        with pytest.raises(ApplianceError, match=why):
            prepare()


def test_what_is_root_s_may_say_anything(file):
    os.chown(file, 0, 0)
    file.write_text('[appliance]\nstate = "/nowhere"\n[disks]\nmounts = "/elsewhere"\n')
    assert pairing._settings(file, "disk-a", "").disks.mounts != MOUNTS


def test_in_the_folder_of_the_file_the_worker_replaces_that_file_and_no_other(file):
    """The sticky bit: else it could put a link in the place of root's credentials."""
    credentials = file.parent / "credentials"
    credentials.mkdir(0o700)
    code = (
        "import os, sys; from pathlib import Path; from appliance.system.files import *\n"
        "os.setgroups([]); os.setgid(1234); os.setuid(1234)\n"
        "folder = Path(sys.argv[1])\n"
        "replace_durably(folder / 'appliance.toml', b'new')\n"
        "(folder / 'credentials').rename(folder / 'gone')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, file.parent],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )
    assert "Operation not permitted" in done.stderr
    assert (file.read_text(), file.stat().st_uid) == ("new", WORKER)
    assert credentials.is_dir()
