"""Timelines: what became of each record over all backups of a source, encrypted at rest.

For each backup there is a *segment*: the records that came, went or changed since the one before;
the oldest has all of them. They are a chain, and what a backup that is gone said is joined with the
next, so the timeline never tells more than the backups do.
"""
