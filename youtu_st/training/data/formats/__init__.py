"""Other formats of training data, a file each: what its records mean as rows."""
