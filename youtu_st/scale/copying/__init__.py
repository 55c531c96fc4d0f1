"""Vectors from one store into another."""
