"""Training data: one format for every task, as CoDiEmb publishes it, and what is wrong with a file of it."""
