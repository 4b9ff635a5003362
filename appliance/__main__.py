"""`python -m appliance`, the same as the `appliance` command."""

from .cli import main

main(prog_name="appliance")
