"""Names and comments of archives: ours are known for certain, others never taken for ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.model import Archive
from appliance.repositories.facts import archive_from, comment_for, source_of

SOURCES = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,20}\Z")
# hypothesis wants naive bounds
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - hypothesis adds the zone itself
    lambda time: time.replace(microsecond=0, tzinfo=UTC)
)


@given(SOURCES, TIMES)
def test_A12_the_source_in_a_name_is_the_one_that_made_it(source: str, time: datetime) -> None:
    assert source_of(Archive.name_for(source, time)) == source


@given(SOURCES, SOURCES, TIMES)
def test_A12_no_source_is_taken_for_another(one: str, other: str, time: datetime) -> None:
    assert (source_of(Archive.name_for(one, time)) == other) == (one == other)


@given(SOURCES, TIMES, st.integers(1, 10**9), st.booleans(), st.booleans())
def test_facts_survive_the_comment(
    source: str, time: datetime, sequence: int, trusted: bool, held: bool
) -> None:
    name = Archive.name_for(source, time)
    archive = Archive(name, source, time, sequence, "ab" * 32, trusted, held)
    item = {"name": name, "time": f"{time:%Y-%m-%dT%H:%M:%S}.000000"}
    assert archive_from(item | {"comment": comment_for(archive)}) == archive


@given(st.text(max_size=200))
def test_a_comment_of_others_is_nobodys_fact(comment: str) -> None:
    item = {"name": "crm-2026-11-21T03:00:00Z", "time": "2026-11-21T03:00:00", "comment": comment}
    assert archive_from(item) is None


@pytest.mark.parametrize(
    "name",
    ["crm", "crm-2026-11-21T03:00:00Z.checkpoint", "CRM-2026-11-21T03:00:00Z", "", "-2026-11-21"],
)
def test_other_names_have_no_source(name: str) -> None:
    assert source_of(name) is None
