from __future__ import annotations

import pytest

from appliance.core import selectors


@pytest.mark.parametrize(
    "expression", ["!body.meta", "!body.meta || page > `3`", "rows[?!b.c]", "!body.filters[?a]"]
)
def test_a_not_that_is_looked_into_is_a_mistake(expression):
    assert "!(a.b)" in selectors.problem(expression)


@pytest.mark.parametrize(
    "expression", ["!(body.meta)", "rows[?!b]", "!contains(a.b, 'x')", "a[?!(b.c)]", "!a[0]"]
)
def test_a_not_of_a_whole_is_right(expression):
    assert selectors.problem(expression) == ""
