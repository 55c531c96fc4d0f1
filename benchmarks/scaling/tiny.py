"""Models that cost nothing: what is left is what the rest costs."""

from __future__ import annotations

from pathlib import Path

from servers.texts import stock_directory


def tiny_model(directory: Path, dimension: int) -> Path:
    """A BERT of one layer with seeded random weights and MiniLM's tokenizer."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(stock_directory())
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=dimension,
        intermediate_size=dimension,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    raw = directory / "raw"
    BertModel(config).save_pretrained(raw)
    tokenizer.save_pretrained(raw)
    modules = [Transformer(str(raw), max_seq_length=64), Pooling(dimension), Normalize()]
    saved = directory / "model"
    SentenceTransformer(modules=modules, device="cpu").save(str(saved))
    return saved
