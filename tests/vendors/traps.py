"""The ways in which real vendors trip a puller, and what a good puller does about each.

The list is section 13 of the research note on CRM exports, which names where each was seen.
"""

from __future__ import annotations

from enum import Enum


class Trap(Enum):
    """One way to trip; a vendor that is given some of them plays them."""

    NULL_CURSOR = "the last page's cursor is the four letters null"
    CURSOR_REPEATS = "the same cursor comes twice, without end"
    OTHER_SUCCESS = "a start is answered with another 2xx than the documented one"
    ID_IN_HEADER = "201, and the job's id only in a header"
    LINK_EXPIRES = "the link dies in the middle of the download"
    BREAKS_OFF = "the connection breaks in the middle of the download, once"
    HTML_FOR_ZIP = "200 with a web page instead of the file"
    ZIP_CUT = "the file is cut short, and the length in the header with it"
    NO_BACKUP = "204: there is no backup yet"
    RELATIVE_LINK = "the link is a path without a host"
    FOREIGN_LINK = "the link leads to a host that the source does not list"
    FOREIGN_REDIRECT = "a redirect leads to a host that the source does not list"
    LINK_LIST = "one link is a string, several are a list"
    RETRY_DATE = "429 with a date in Retry-After"
    STUCK = "the job's status stays at its first word for ever"
    JOB_FAILS = "the job ends with the vendor's word for failed"
    TOKEN_EXPIRES = "the access token dies between two pages"
    ROTATES = "each refresh token is good once: the reply brings the next"
    CSV_BECOMES_ZIP = "above a size the CSV comes as a ZIP, under the same name"
    MEMBER_SPLIT = "one table is split over two ZIPs"
    SHUFFLED = "the rows come in another order each time"
    COLUMN_ADDED = "somebody added a column"
    ROWS_MISSING = "30 % of the rows are missing, and nothing says so"
    APOSTROPHE = "cells that begin like a formula are given an apostrophe"
    NUL = "a NUL byte within a cell"
    IDS_15 = "ids of 15 characters that differ in their case only"
    CONTINUATION = "one record spans several lines, the further ones without an id"
    EMPTY_LAST_PAGE = "the last page has no rows"
    NULL_BODY = "200, and the body is null"
    PAGE_IGNORED = "the page parameter is ignored: the first page comes again and again"


class Reaction(Enum):
    """What a run must come to."""

    SURVIVES = "the export holds exactly the vendor's records"
    REFUSES = "the run fails with a sentence; nothing is archived, no credential went elsewhere"
    NOTHING = "there is nothing there: the run says so, and nothing is archived"
    HOLDS = "the export is stored, and held for a person"


SURVIVES, REFUSES, HOLDS = Reaction.SURVIVES, Reaction.REFUSES, Reaction.HOLDS
NOTHING = Reaction.NOTHING
