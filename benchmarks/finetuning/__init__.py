"""Does fine-tuning work, and which way of it best? What ``benchmarks/training.py`` runs."""
