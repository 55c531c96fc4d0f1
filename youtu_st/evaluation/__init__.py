"""How good an encoder is: measures on data sets that people have judged. Takes a ``TextEncoder``."""
