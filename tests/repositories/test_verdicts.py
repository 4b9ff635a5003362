"""The closed table of Borg's exit codes, against the research's own table and Borg's own source."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

from appliance.core.errors import (
    ApplianceError,
    DiskAbsent,
    DiskFull,
    DiskReadOnly,
    PassphraseWrong,
    RepositoryBusy,
    RepositoryDamaged,
    ToolFailed,
    WrongDisk,
)
from appliance.repositories.verdicts import SENTENCES, Verb, verdict

RETRIED = {70, 71, 73, 74, 75, 129, 130, 137, 143}
STOPS = {12, 16, 17, 26, 41, 44, 52, 60, 61, 62, 63, 64, *range(90, 100)}


@pytest.mark.parametrize("verb", Verb)
def test_A16_only_zero_is_good_for_any_verb(verb: Verb) -> None:
    good = [code for code in range(256) if verdict(verb, code) is None]
    assert good == [0]


@pytest.mark.parametrize("verb", Verb)
def test_A16_only_locks_and_signals_are_retried(verb: Verb) -> None:
    kinds = {code: verdict(verb, code) for code in range(1, 256)}
    assert {code for code, kind in kinds.items() if kind is not None and kind.retry} == RETRIED


@pytest.mark.parametrize("verb", Verb)
def test_A16_what_needs_a_person_is_neither_retried_nor_taken_for_a_full_disk(verb: Verb) -> None:
    for code in STOPS - {93, 94}:
        kind = verdict(verb, code)
        assert issubclass(kind, (RepositoryDamaged, WrongDisk, PassphraseWrong))


@pytest.mark.parametrize("code", [2, *range(100, 111), 200, 255])
def test_anything_unlisted_is_a_failure_and_never_damage(code: int) -> None:
    for verb in Verb:
        assert verdict(verb, code) is ToolFailed


def test_A14_a_check_that_ends_with_a_warning_has_found_damage() -> None:
    assert verdict(Verb.CHECK, 1) is RepositoryDamaged
    assert {verdict(verb, 1) for verb in Verb if verb is not Verb.CHECK} == {ToolFailed}


@pytest.mark.parametrize("code", [1, 2, *range(100, 111), 200, 255])
def test_A16_warnings_of_create_and_delete_are_failures(code: int) -> None:
    for verb in (Verb.CREATE, Verb.DELETE, Verb.COMPACT):
        assert verdict(verb, code) is ToolFailed


def test_A16_the_codes_of_the_research_table_mean_what_it_says() -> None:
    assert verdict(Verb.CREATE, 14) is DiskFull
    assert verdict(Verb.CREATE, 72) is DiskReadOnly
    assert verdict(Verb.LIST, 13) is DiskAbsent
    assert verdict(Verb.LIST, 73) is RepositoryBusy
    assert verdict(Verb.LIST, 52) is PassphraseWrong
    assert issubclass(verdict(Verb.LIST, 62), WrongDisk)


def test_the_message_id_decides_where_a_remote_answers_two() -> None:
    assert verdict(Verb.CREATE, 2, ("Repository.InsufficientFreeSpaceError",)) is DiskFull
    assert verdict(Verb.CREATE, 2, ("LockTimeout",)) is RepositoryBusy
    assert verdict(Verb.CREATE, 2, ("Exception",)) is ToolFailed


def test_every_error_has_a_sentence() -> None:
    kinds = {verdict(verb, code) for verb in Verb for code in range(1, 256)}
    assert kinds <= set(SENTENCES)


def _borgs_errors() -> dict[str, int]:
    """Return name and exit code of every error in the installed Borg's own source."""
    import borg
    from borg.helpers.errors import ErrorBase

    for module in pkgutil.iter_modules(borg.__path__, "borg."):
        if not module.name.endswith(("fuse", "testsuite", "__main__")):
            importlib.import_module(module.name)
    found, queue = {}, [ErrorBase]
    while queue:
        kind = queue.pop()
        queue.extend(kind.__subclasses__())
        if kind.__module__.startswith("borg") and not inspect.isabstract(kind):
            found[kind.__qualname__] = kind.exit_mcode
    return found


def test_message_id_and_code_never_contradict_each_other() -> None:
    errors = {name: code for name, code in _borgs_errors().items() if 2 < code < 100}
    assert len(errors) > 40
    for name, code in errors.items():
        by_code = verdict(Verb.LIST, code)
        by_both = verdict(Verb.LIST, code, (name,))
        assert by_code is by_both, name
        assert by_code is not None
        assert issubclass(by_code, ApplianceError)
