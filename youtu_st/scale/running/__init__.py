"""A job from its beginning to its end: who does which shard, and what is said of it."""
