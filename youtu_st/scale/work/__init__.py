"""One worker: shards from their rows to their files."""
