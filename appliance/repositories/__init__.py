"""Where archives are kept: one Borg repository per disk, folder or host, and its sheet."""
