"""A vendor that answers what a test tells it to, and what came of a pull."""

from __future__ import annotations

import json

from ..stub import Request


class Vendor:
    """Answers by path: a list of answers is worked off, the last one stays."""

    def __init__(self) -> None:
        self.answers: dict[str, list] = {}
        self.asked: list[str] = []
        self.requests: list[Request] = []

    def says(self, path: str, *answers) -> None:
        self.answers[path] = list(answers)

    def play(self, request: Request) -> None:
        path = request.path.partition("?")[0]
        self.asked.append(f"{request.command} {request.path}")
        self.requests.append(request)
        known = self.answers.get(path, [(404, b"no")])
        answer = known.pop(0) if len(known) > 1 else known[0]
        if callable(answer):
            answer = answer(request)
        if answer is None:
            return
        status, body, *headers = answer if isinstance(answer, tuple) else (200, answer)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.answer(status, data, **(headers[0] if headers else {}))


def files(export) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in export.files}
