"""What we mean: values and decisions. No input or output, no threads, no clock."""
