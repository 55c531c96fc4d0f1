"""A job is a folder: what is asked for, and the shards that are there."""
