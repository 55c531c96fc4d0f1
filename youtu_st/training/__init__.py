"""Fine-tuning: data, objectives, one task a step, sentence-transformers' own trainer, fusion."""
