"""The beginning of a job: its encoder, its input and its plan, or whether those of one that is there are the same."""
