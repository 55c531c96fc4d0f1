"""What the adapters of all frameworks share, so that none has logic of its own."""
