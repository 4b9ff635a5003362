"""The only home of how long a step will still take, judged by how it went so far."""

from __future__ import annotations

from datetime import timedelta

from .model import Progress

_LEAST_SECONDS = 3.0
_LEAST_SHARE = 0.01
_LONGEST = timedelta(hours=48)
"""Beyond that the rate of a moment says nothing."""


def goes_on(first: Progress, last: Progress, new: Progress) -> bool:
    """Return whether `new` belongs to the stretch of work from `first` to `last`: another step, or
    the same one for another disk, begins anew.
    """
    return (first.step, first.unit) == (new.step, new.unit) and new.done >= last.done


def left(first: Progress, last: Progress, elapsed_seconds: float) -> timedelta | None:
    """Given the begin of a stretch, how far it is now and the seconds between them, return how
    long the rest will take; None while nobody can know.
    """
    done, total = last.done - first.done, last.total
    if not total or elapsed_seconds < _LEAST_SECONDS or done < total * _LEAST_SHARE:
        return None
    seconds = max(total - last.done, 0) * elapsed_seconds / done
    return timedelta(seconds=seconds) if seconds < _LONGEST.total_seconds() else None
