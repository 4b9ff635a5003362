"""A backup opened so that somebody may look, find and take home. Part of the rim."""
