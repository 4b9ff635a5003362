"""What we do, over ports: the engine imports `core` only and gets its doers handed in."""
