"""The machine: programs, clock, ledger, secrets, staging."""
