"""Settings that an office changes: what is wished, what it would mean, what is written. The rim."""
