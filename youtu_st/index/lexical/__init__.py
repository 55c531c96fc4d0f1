"""Documents by their words: what a word is, where each stands, and how well words fit a question."""
