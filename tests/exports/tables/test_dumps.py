"""Dumps of databases: a table for each of theirs, its key known, and lost rows that are SQL."""

from __future__ import annotations

import sqlite3

import pytest

from appliance.exports.reading import opened
from appliance.exports.tables import dumps
from appliance.exports.tables.rows import NotATable
from tests.exports.tables.reading import cells_of, file_of, records_of, tables_in

MYSQL = rb"""-- MySQL dump 10.13  Distrib 8.0.36
/*!40101 SET NAMES utf8mb4 */;
DROP TABLE IF EXISTS `contacts`;
CREATE TABLE `contacts` (
  `id` char(36) NOT NULL,
  `na``me` varchar(20) DEFAULT 'PRIMARY KEY, (x',
  `photo` longblob,
  PRIMARY KEY (`id`),
  KEY `k` (`na``me`(10))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='a; b';
LOCK TABLES `contacts` WRITE;
/*!40000 ALTER TABLE `contacts` DISABLE KEYS */;
INSERT INTO `contacts` VALUES ('1','O\'Neil; (x','\0\Z\'),'),('2',NULL,0xABCD),('3','a''b\\','');
INSERT INTO `contacts` VALUES (4,'\n"M""' ,-1.50);
UNLOCK TABLES;
DELIMITER ;;
CREATE TRIGGER x BEFORE INSERT ON contacts BEGIN INSERT INTO `contacts` VALUES (NEW.id); END ;;
DELIMITER ;
CREATE TABLE `empty` (`a` int);
CREATE TABLE `pairs` (`a` int, `b` int, `c` int, PRIMARY KEY (`a`,`b`));
INSERT INTO `pairs` (`a`, `b`) VALUES (1,2);
REPLACE INTO `pairs` (`b`, `a`) VALUES (4,3);
-- Dump completed on 2026-11-20  3:00:00
"""
POSTGRES = rb"""--
-- PostgreSQL database dump
--
\restrict abc
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $_$
begin; insert into public.res_partner values ('x'); end $_$;
CREATE TABLE public.res_partner (
    id integer NOT NULL,
    name character varying(20) DEFAULT 'x'::character varying,
    "odd ""col" bytea,
    CONSTRAINT positive CHECK ((id > 0))
);
COPY public.res_partner (id, name, "odd ""col") FROM stdin;
1	Ann\tB\\	\N
2	M""" + "ü".encode() + rb"""ller	\\x00ff
\.

INSERT INTO crm.deal VALUES (1, 'it''s \', NULL, E'a\'b', true);
INSERT INTO crm.deal VALUES (2, '', 'now'::text, NULL, false);
ALTER TABLE ONLY public.res_partner
    ADD CONSTRAINT res_partner_pkey PRIMARY KEY (id);
"""  # fmt: skip


def dump(tmp_path, data, name="backup-2026-11-21.sql"):
    return opened(file_of(tmp_path, data, name))


def test_what_mysqldump_writes(tmp_path):
    found = dump(tmp_path, MYSQL)
    assert list(found) == ["contacts", "empty", "pairs"]
    contacts = found["contacts"]
    assert contacts.columns == ("id", "na`me", "photo")
    assert contacts.key == ("id",)
    assert cells_of(contacts) == [
        ["1", "O'Neil; (x", "\0\x1a'),"],
        ["2", "", "0xABCD"],
        ["3", "a'b\\", ""],
        ["4", '\n"M""', "-1.50"],
    ]
    assert cells_of(found["empty"]) == []


def test_what_pg_dump_writes(tmp_path):
    found = dump(tmp_path, POSTGRES)
    assert list(found) == ["res_partner", "crm.deal"]
    partners = found["res_partner"]
    assert partners.columns == ("id", "name", 'odd "col')
    assert partners.key == ("id",)
    assert cells_of(partners) == [["1", "Ann\tB\\", ""], ["2", "Müller", "\\x00ff"]]
    assert cells_of(found["crm.deal"]) == [
        ["1", "it's \\", "", "a'b", "true"],
        ["2", "", "now", "", "false"],
    ]
    assert found["crm.deal"].columns[0] == "column 1"


def test_a_key_of_two_columns_and_lists_in_another_order(tmp_path):
    pairs = dump(tmp_path, MYSQL)["pairs"]
    assert pairs.key == ("a", "b")
    assert records_of(pairs) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    (table,) = (t for t in tables_in(tmp_path, {"x.sql": MYSQL}).values() if t.name == "pairs")
    assert table.id_columns == ("a", "b")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        pytest.param(b"x'" + b"ab" * 40 + b"'", "80 characters, ", id="hex"),
        pytest.param(b"0x" + b"AB" * 40, "82 characters, ", id="long number"),
        pytest.param(b"_binary '" + b"\xff\\0" * 40 + b"'", "80 characters, ", id="binary"),
        pytest.param(b"'" + b"x" * 300_000 + b"'", "300002 characters, ", id="very long"),
        pytest.param(b"_utf8mb4'abc'", "abc", id="introducer"),
        pytest.param(b"'\\%\\_\\q'", "%_q", id="escapes of nothing"),
        pytest.param(b"'\xff'", "\\xff", id="not in its encoding"),
        pytest.param(b"CONCAT('a', ('b'))", "CONCAT('a', ('b'))", id="expression"),
    ],
)
def test_values_of_mysql(tmp_path, value, says):
    data = b"/*!40101 SET NAMES utf8mb4 */;\nINSERT INTO `t` (`a`) VALUES (" + value + b");\n"
    ((cell,),) = cells_of(dump(tmp_path, data)["t"])
    assert cell.startswith(says)
    assert cell == says or len(cell) == len(says) + 12


def test_lost_rows_are_sql_that_a_database_takes(tmp_path):
    """SQLite reads what pg_dump --inserts writes, too."""
    ours = b"PRAGMA foreign_keys=OFF;\nCREATE TABLE t(id INTEGER PRIMARY KEY, n TEXT);\n"
    ours += b"INSERT INTO t VALUES(1,'a''b; (');\nINSERT INTO t VALUES(2,NULL);\n"
    rows = dump(tmp_path, ours)["t"]
    frame = rows.frame
    assert frame.suffix == ".sql"
    again = frame.opening + frame.between.join(rows.raws()) + frame.closing
    database = sqlite3.connect(":memory:")
    database.executescript("CREATE TABLE t(id INTEGER PRIMARY KEY, n TEXT);" + again.decode())
    assert database.execute("SELECT * FROM t").fetchall() == [(1, "a'b; ("), (2, None)]
    database.close()


@pytest.mark.parametrize(("data", "name"), [(MYSQL, "contacts"), (POSTGRES, "res_partner")])
def test_lost_rows_read_as_what_they_were(tmp_path, data, name):
    rows = dump(tmp_path, data)[name]
    frame = rows.frame
    again = frame.opening + frame.between.join(rows.raws()) + frame.closing
    assert b"utf8mb4" in frame.opening or b"client_encoding" in frame.opening
    assert cells_of(dump(tmp_path, again)[name]) == cells_of(rows)


@pytest.mark.parametrize("data", [MYSQL, POSTGRES])
def test_one_that_is_cut_within_a_statement_is_no_dump(tmp_path, data):
    rows_begin = data.index(b"INSERT INTO `contacts`") if data is MYSQL else data.index(b"COPY")
    for cut in (rows_begin + 8, rows_begin + 70, rows_begin + 90):
        with pytest.raises(NotATable):
            dump(tmp_path, data[:cut])


@pytest.mark.parametrize("block", [16, 1000])
def test_it_does_not_matter_where_a_block_ends(tmp_path, monkeypatch, block):
    whole = {name: cells_of(rows) for name, rows in dump(tmp_path, MYSQL).items()}
    monkeypatch.setattr("appliance.exports.tables.sql._BLOCK_BYTES", block)
    monkeypatch.setattr("appliance.exports.tables.sql._HEAD_BYTES", 400)
    assert {name: cells_of(rows) for name, rows in dump(tmp_path, MYSQL).items()} == whole


def test_a_dump_that_windows_wrote(tmp_path):
    """PowerShell turns what a program prints into UTF-16."""
    rows = dump(tmp_path, MYSQL.replace(b"\n", b"\r\n").decode().encode("utf-16"))["contacts"]
    assert cells_of(rows)[0] == ["1", "O'Neil; (x", "\0\x1a'),"]
    assert rows.frame.encoding == "utf-16"


def test_each_table_is_read_where_it_lies(tmp_path, monkeypatch):
    """Of 200 tables one is read without reading the others."""
    one = b"CREATE TABLE t%d (id int);\nINSERT INTO t%d VALUES (%d);\n" + b"-- x" * 10_000 + b"\n"
    found = dump(tmp_path, b"-- MySQL\n" + b"".join(one % (n, n, n) for n in range(200)))
    assert len(found) == 200
    read = 0

    def counted(source, size):
        nonlocal read
        block = source(size)
        read += len(block)
        return block

    real = dumps.readable

    class Counting:
        def __init__(self, opened):
            self.read = lambda size: counted(opened.read, size)
            self.seek = opened.seek

    monkeypatch.setattr(dumps, "readable", lambda opened, look: Counting(real(opened, look)))
    assert cells_of(found["t150"]) == [["150"]]
    assert read < 3 * (1 << 21)  # twice, of eight million bytes; a block at a time
