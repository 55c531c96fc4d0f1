"""Who fills the folder: workers that come, go, hang and die."""
