"""Messages on their way out: what an address may be, and the child that sends. A ring."""
