"""The only home of the ledger's tables: the schema, one script for each version of it."""

from __future__ import annotations

_FIRST_SCHEMA = """
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    trigger TEXT NOT NULL,
    slot TEXT NOT NULL,
    started TEXT NOT NULL,
    finished TEXT,
    outcome TEXT,
    archive TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX run_by_source ON run (source, id);
CREATE INDEX run_by_slot ON run (source, slot);
CREATE INDEX run_unfinished ON run (id) WHERE outcome IS NULL;
CREATE TABLE step (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (id),
    name TEXT NOT NULL,
    started TEXT NOT NULL,
    duration_us INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    target TEXT NOT NULL,
    size_bytes INTEGER,
    message TEXT NOT NULL,
    hint TEXT NOT NULL
) STRICT;
CREATE INDEX step_by_run ON step (run, id);
CREATE TABLE missed (
    source TEXT NOT NULL,
    slot TEXT NOT NULL,
    noticed TEXT NOT NULL,
    PRIMARY KEY (source, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE sequence (source TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE export (
    archive TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX export_by_source ON export (source, sequence);
CREATE TABLE file (
    archive TEXT NOT NULL REFERENCES export (archive),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    modified TEXT,
    validator TEXT NOT NULL,
    PRIMARY KEY (archive, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE copy (
    archive TEXT NOT NULL,
    place TEXT NOT NULL,
    source TEXT NOT NULL,
    time TEXT NOT NULL,
    verified TEXT NOT NULL,
    gone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (place, archive)
) STRICT, WITHOUT ROWID;
CREATE TABLE note (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_FAULTS = """
ALTER TABLE run ADD COLUMN faults TEXT NOT NULL DEFAULT '';
"""
_BY_START = """
CREATE INDEX run_by_start ON run (started, source, outcome, archive);
"""
_ACTIVITY = """
ALTER TABLE run ADD COLUMN kind TEXT GENERATED ALWAYS AS (
    CASE substr(source, 1, instr(source, ':'))
        WHEN '' THEN 'backup'
        WHEN 'page:' THEN 'person'
        WHEN 'command:' THEN 'person'
        WHEN 'button:' THEN 'person'
        ELSE substr(source, 1, instr(source, ':') - 1)
    END
) VIRTUAL;
CREATE INDEX run_by_kind ON run (kind, id);
CREATE INDEX run_by_outcome ON run (outcome, id);
CREATE INDEX run_by_kind_and_outcome ON run (kind, outcome, id);
CREATE INDEX run_by_source_and_outcome ON run (source, outcome, id);
CREATE TABLE audit (run INTEGER PRIMARY KEY REFERENCES run (id), sha256 TEXT NOT NULL) STRICT;
"""
"""What a Run is about (as `core.activity_words.kind_of`), so that any choice of what to list is
read from an index; and the chain of what people did."""
_REQUESTS = """
CREATE TABLE request (
    source TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (source, sequence)
) STRICT, WITHOUT ROWID;
"""
MIGRATIONS = (_FIRST_SCHEMA, _FAULTS, _BY_START, _ACTIVITY, _REQUESTS)
"""One script for each schema version; the file's `user_version` says how many have run."""
