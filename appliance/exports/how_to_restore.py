"""The only home of `HOW-TO-RESTORE.txt`: how to get everything back without this program."""

from __future__ import annotations

NAME = "HOW-TO-RESTORE.txt"

# sh and nothing else; read one after the other:
#   what is whole is copied; each folder of `history` that holds a base `00` is replayed;
#   parts of one file come in the order of their names and are appended.
UNDO_DIFFERENCES = (
    "mkdir restored && if [ -d export ]; then cp -Rp export/. restored/; fi && "
    "mkdir .work && if [ -d history ]; then find history -type f -name 00 | LC_ALL=C sort | "
    "while IFS= read -r base; do "
    "folder=${base%/00}; file=restored/${folder#history/}; "
    "case $folder in */part-[0-9][0-9][0-9][0-9]) file=${file%/part-*};; esac; "
    'mkdir -p "${file%/*}" && cp "$base" .work/old || exit 1; number=1; '
    'while patch=$folder/$(printf %02d.zst $number); [ -f "$patch" ]; do '
    'zstd -d -q -f --long=31 --patch-from=.work/old "$patch" -o .work/new && '
    "mv -f .work/new .work/old || exit 1; number=$((number+1)); done; "
    'cat .work/old >> "$file" || exit 1; done; fi && rm -r .work && echo Everything is in restored/'
)

_TEXT = """\
HOW TO GET THE FILES OUT OF THIS BACKUP, WITHOUT THE PROGRAM THAT MADE IT
=========================================================================

You need: a computer with Linux; the two free programs borg (version 1.4 or 1.2) and zstd
(1.4.5 or newer), which every Linux distribution has (Debian and Ubuntu: apt install borgbackup
zstd); and the passphrase, which stands on the emergency sheet.

1. Open a terminal in an empty folder with enough room, and take the backup out of the disk. Put
   the folder of the disk that has a file called `config` in it in place of REPOSITORY; `borg list
   REPOSITORY` shows all backups there are, one per line.

{extract}

2. Undo the differences: paste this as it is (it is one long line).

{undo}

Now every file is in the folder `restored`, as it was inside what the vendor delivered: each ZIP
is a folder of its name. If the second command stops early, the last lines say at which file;
everything before that is good. Remove `restored` and `.work` before trying again.

What is what
- export/    files that are stored as they are
- history/   files that are stored as a first version, called 00, and what changed from each day to
             the next, called 01.zst, 02.zst and so on; very large files in parts
- original/  files of the vendor that cannot be made again from what was inside them
- manifest.json lists every file with its size and its SHA-256, to compare with (sha256sum).
A spreadsheet (.xlsx) may come out as a folder of its name: make it a file again by
   cd restored/NAME.xlsx && zip -r ../new.xlsx .
"""


def text(archive: str) -> str:
    """Given an archive's name, return the text that lies in it."""
    extract = f"     borg extract REPOSITORY::{archive}"
    return _TEXT.format(extract=extract, undo=f"     {UNDO_DIFFERENCES}")
