"""The shape of the package, read from its imports: who may know whom, and one door per library."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import appliance

PACKAGE = Path(appliance.__file__).parent

RING = {"sources", "exports", "repositories", "mirrors", "messaging", "hw", "web"}
LAYERS = RING | {
    "cli",
    "config",
    "core",
    "engine",
    "system",
    "demo",
    "doctor",
    "changing",
    "data_protection",
    "giving_back",
}
MAY_IMPORT = {"core": set(), "engine": {"core"}, "system": {"core"}, "config": {"core"}} | {
    layer: {"core", "system"} for layer in RING
}
"""Besides itself. What is not named here, and every file directly in the package, is the rim."""

DOORS = {
    "apprise": {"messaging/__main__.py"},
    "subprocess": {"system/process.py"},
    "sqlite3": {"system/ledger.py"},
    "paramiko": {"sources/sftp.py", "sources/sftp/"},
    "requests": set(),
    "urllib3": {"sources/"},
    "defusedxml": {"sources/carddav/multistatus.py"},
    "xml": {"sources/carddav/multistatus.py", "exports/tables/workbook.py"},
    "cronsim": {"core/schedule.py"},
    "tomllib": {"config/", "place.py", "sources/recipe.py"},
    "jmespath": {"core/selectors.py"},
    "gpiozero": {"hw/panel.py"},
    "lgpio": {"hw/panel.py"},
    "pyudev": {"hw/disks.py"},
    "tomlkit": {"changing/"},
    "watchdog": {"sources/arrivals.py", "config/"},
    "argon2": {"web/people.py"},
    "flask": {"web/"},
    "flask_login": {"web/"},
    "flask_wtf": {"web/"},
    "waitress": {"web/serving.py"},
    "jwt": {"sources/oauth.py"},
    "cryptography": {"web/certificate.py", "system/sealed.py"},
    "openpyxl": {"exports/tables/workbook.py", "exports/tables/workbook_anew.py"},
    "backports.zstd": {"exports/"},
    "compression.zstd": {"exports/"},
    "pydantic": {"config/"},
    "click": {"cli/", "screen.py"},
}
"""Where each outside library may be imported; a folder ends in a slash."""
RIM_ALONE = {"demo/"}
"""The demo is a stand-in for servers of others: what it runs is not the product's."""


def imports(file: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Given a module, yield line and absolute dotted name of everything it imports."""
    package = [root.name, *file.relative_to(root).parent.parts]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = [*above, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)


def layer_violations(root: Path) -> list[str]:
    """Return one sentence for each import that goes the wrong way."""
    found = []
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root)
        layer = place.parts[0] if len(place.parts) > 1 else "the rim"
        if layer not in MAY_IMPORT:
            continue
        for line, name in imports(file, root):
            parts = name.split(".")
            if parts[0] != root.name or len(parts) < 2:
                continue
            if parts[1] not in MAY_IMPORT[layer] | {layer}:
                found.append(f"{place}:{line}: {layer} imports {parts[1]}")
    return sorted(set(found))


def door_violations(root: Path) -> list[str]:
    """Return one sentence for each outside library that comes in by another door."""
    found = []
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root).as_posix()
        if any(place.startswith(folder) for folder in RIM_ALONE):
            continue
        for line, name in imports(file, root):
            for library, doors in DOORS.items():
                inside = name == library or name.startswith(f"{library}.")
                if inside and not any(_is_at(place, door) for door in doors):
                    found.append(f"{place}:{line}: {library} has its door in {sorted(doors)}")
    return sorted(set(found))


def _is_at(place: str, door: str) -> bool:
    return place.startswith(door) if door.endswith("/") else place == door


def test_every_import_goes_towards_the_core() -> None:
    assert layer_violations(PACKAGE) == []


def test_each_outside_library_has_one_door() -> None:
    assert door_violations(PACKAGE) == []


def test_every_folder_of_the_package_is_a_layer_we_know() -> None:
    folders = {path.parent.relative_to(PACKAGE).parts[0] for path in PACKAGE.glob("*/*.py")}
    assert folders <= LAYERS


def test_A5_A15_no_other_module_than_the_one_for_borg_names_its_dangerous_verbs() -> None:
    for word, doors in {"break-lock": {"borg", "verdicts"}, "--repair": set()}.items():
        for file in PACKAGE.rglob("*.py"):
            texts = [
                node.value
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.Constant) and node.value == word
            ]
            assert not texts or file.stem in doors, f"{file} names {word}"


PLANTED = {
    "core/a.py": ("from ..system.clock import SystemClock", "core imports system"),
    "engine/b.py": ("from ..sources import sftp", "engine imports sources"),
    "engine/c.py": ("import appliance.system.ledger", "engine imports system"),
    "sources/d.py": ("from ..exports.unpack import x", "sources imports exports"),
    "mirrors/e.py": ("def f():\n    from .. import repositories", "mirrors imports repositories"),
    "web/f.py": ("from ..engine import runner", "web imports engine"),
    "system/g.py": ("from ..config import Settings", "system imports config"),
    "exports/h.py": ("if True:\n    import subprocess as s", "subprocess has its door"),
    "repositories/i.py": ("from subprocess import run", "subprocess has its door"),
    "cli/any.py": ("import paramiko.client", "paramiko has its door"),
    "web/j.py": ("import sqlite3", "sqlite3 has its door"),
    "messaging/m.py": ("from apprise import Apprise", "apprise has its door"),
    "sources/x.py": ("import defusedxml.ElementTree", "defusedxml has its door"),
    "sources/k.py": ("from backports.zstd import open", "backports.zstd has its door"),
    "sources/l.py": ("from backports import zstd", "backports.zstd has its door"),
}


@pytest.mark.parametrize("place", PLANTED)
def test_F15_a_planted_violation_is_seen_and_named(place: str, tmp_path: Path) -> None:
    text, expected = PLANTED[place]
    file = tmp_path / "appliance" / place
    file.parent.mkdir(parents=True)
    file.write_text(text + "\n")
    root = tmp_path / "appliance"
    (seen,) = layer_violations(root) + door_violations(root)
    assert seen.startswith(f"{place}:")
    assert expected in seen


def test_what_is_allowed_is_not_called_a_violation(tmp_path: Path) -> None:
    root = tmp_path / "appliance"
    for place, text in {
        "core/a.py": "import json\nfrom .model import Run",
        "engine/b.py": "from ..core.model import Run\nfrom . import memory",
        "sources/sftp.py": "from ..system import process\nimport paramiko",
        "system/process.py": "import subprocess",
        "daemon.py": "from .web import create_app\nfrom .engine.runner import Runner",
        "demo/servers.py": "import subprocess",
    }.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text + "\n")
    assert layer_violations(root) + door_violations(root) == []
