"""Training data that a chat model writes: what it is asked, what is taken of its answers, what is kept."""
