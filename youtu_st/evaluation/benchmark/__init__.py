"""Published benchmarks, through mteb: the model and its prompts, runs that go on, what they leave on disk."""
