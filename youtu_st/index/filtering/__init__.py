"""What a filter may say of metadata and texts: compiled for SQLite, times and texts as they are compared."""
