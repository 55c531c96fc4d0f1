"""What lies in the directory: files, documents, the journal, and what is committed when."""
