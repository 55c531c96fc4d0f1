"""The vectors nearest to a question's: FAISS, and what makes each of its kinds exact where it can be."""
