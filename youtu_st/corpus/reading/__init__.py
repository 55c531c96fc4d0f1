"""Files into documents, each kind by its structure."""
