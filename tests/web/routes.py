"""Every route that the page has, also those that rooms of the future add."""

from __future__ import annotations

import re

from appliance.web.policy import Role

_VALUES = {"int": 1, "float": 1.0, "path": "a/b"}


def routes(app):
    """Each (address, method, endpoint, role), with something in the place of what varies."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        role = app.view_functions[rule.endpoint].open_to
        values = {
            name: _VALUES.get(kind, "x")
            for kind, name in re.findall(r"<(?:(\w+)(?:\(.*?\))?:)?(\w+)>", rule.rule)
        }
        if rule.endpoint == "static":
            values = {"filename": "style.css"}
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            yield adapter.build(rule.endpoint, values, method), method, rule.endpoint, role


def doors(app):
    """Those that a stranger may use."""
    return {endpoint for _, _, endpoint, role in routes(app) if role is Role.ANYBODY}
