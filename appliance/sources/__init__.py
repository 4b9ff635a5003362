"""Where exports come from: one module per kind of place. Heavy libraries load in the child only."""
