"""Understanding exports: unpacking them, finding what changed, laying out an archive."""
