"""Corpora of any size: a folder of rows to a folder of vectors, and on into a database."""
