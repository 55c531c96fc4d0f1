"""Data that people have judged, as files have it: read strictly, what is wrong is told by file and line."""
