"""A user's own data: scores with error bars, and which of two systems is better."""
