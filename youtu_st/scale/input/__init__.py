"""Files to rows: what is read of them, a part at a time, and in which shards."""
