"""Tables: what kinds of records an export holds, how many, and what became of each since."""
