"""How fast documents are ranked, beside sentence-transformers' own ``CrossEncoder``, in one run.

Both get the same pairs in the same template, and so the same token ids, through the same random weights: this
measures speed, and says nothing about quality. Turns are interleaved, figures are medians of five turns. The
documents are the first 20 to 129 words of SciFact's abstracts, the queries its claims.

    python benchmarks/rerank.py [--json PATH] [--layers 4] [--hidden 384] [--device cpu] [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from encoding import texts
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.modules import LogitScore, Transformer
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from youtu_st.rerank import Reranker, load_reranker_spec

TURNS = 5
SPEC = load_reranker_spec("qwen3-reranker-0.6b")
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
Pairs = list[tuple[str, str]]


def shortened(documents: list[str]) -> list[str]:
    """The first 20 to 129 words of each."""
    lengths = np.random.default_rng(0).integers(20, 130, len(documents)).tolist()
    return [" ".join(text.split()[:length]) for text, length in zip(documents, lengths, strict=True)]


def tokenizer(corpus: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE, split as Qwen's, trained on the texts and on the template."""
    bpe = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern=Regex(WORDS), behavior="isolated"), byte_level]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=CONTROL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    template = [SPEC.prefix, SPEC.template, SPEC.suffix, str(SPEC.instruction), "yes", "no"]
    bpe.train_from_iterator([*corpus, *template * 100], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<|endoftext|>", eos_token="<|im_end|>", padding_side="left"
    )


def checkpoint(directory: Path, corpus: list[str], layers: int, hidden: int) -> Path:
    made = tokenizer(corpus, vocabulary=8_000)
    heads = {"num_attention_heads": hidden // 64, "num_key_value_heads": hidden // 128, "head_dim": 64}
    sizes = {"hidden_size": hidden, "intermediate_size": 3 * hidden, "num_hidden_layers": layers}
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(Qwen3Config(vocab_size=len(made), **heads, **sizes))
    with torch.no_grad():  # so that scores differ clearly from document to document
        model.lm_head.weight.normal_(0.0, 0.2)
    model.save_pretrained(directory)
    made.save_pretrained(directory)
    return directory


def stock(directory: Path, device: str) -> CrossEncoder:
    """As sentence-transformers publishes such models: the template as the tokenizer's chat template."""
    message = "{{ (messages | selectattr('role', 'eq', '%s') | first)['content'] }}"
    body = SPEC.template.replace("{instruction}", str(SPEC.instruction))
    for role in ("query", "document"):
        body = body.replace("{" + role + "}", message % role)
    template = f"{SPEC.prefix}{body}{SPEC.suffix}".replace("\n", "{{ '\\n' }}")
    transformer = Transformer(
        str(directory),
        transformer_task="text-generation",
        model_kwargs={"dtype": torch.float32},
        processor_kwargs={"chat_template": template, "model_max_length": SPEC.max_length},
    )
    yes, no = transformer.tokenizer.convert_tokens_to_ids([SPEC.true_token, SPEC.false_token])
    return CrossEncoder(modules=[transformer, LogitScore(yes, no)], device=device).eval()


def measure(ways: dict[str, Callable[[Pairs], np.ndarray]], pairs: Pairs) -> dict[str, dict[str, object]]:
    scores = {name: way(pairs) for name, way in ways.items()}  # which also warms them up
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS):
        for name, way in list(ways.items())[:: 1 if turn % 2 == 0 else -1]:
            start = time.perf_counter()
            way(pairs)
            seconds[name].append(time.perf_counter() - start)
    first = next(iter(ways))
    return {
        name: {
            "seconds": seconds[name],
            "pairs_per_second": len(pairs) / statistics.median(seconds[name]),
            "ratio": statistics.median(seconds[first]) / statistics.median(seconds[name]),
            "difference": float(np.abs(scores[name] - scores[first]).max()),
        }
        for name in ways
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="so little that it only shows that it runs")
    arguments = parser.parse_args()
    layers, hidden, count = (2, 128, 20) if arguments.quick else (arguments.layers, arguments.hidden, 100)
    queries, documents = texts.queries(10), shortened(texts.abstracts(count))
    tasks = {
        f"1 query, {count} documents": [(queries[0], document) for document in documents],
        f"10 queries, {count // 10} documents each": list(
            zip(queries * (count // 10), documents, strict=True)
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        directory = checkpoint(Path(folder), [*queries, *documents], layers, hidden)
        ours = Reranker(SPEC.name, checkpoint=directory, device=arguments.device, dtype="float32")
        apart = Reranker(SPEC.name, checkpoint=directory, device=arguments.device, dtype="float32")
        apart.model[0].attention = None  # as for a network that cannot share
        theirs = partial(stock(directory, arguments.device).predict, show_progress_bar=False)
        ways: dict[str, Callable[[Pairs], np.ndarray]] = {
            "CrossEncoder": theirs,
            "CrossEncoder, batch_size=8": partial(theirs, batch_size=8),
            "Reranker, nothing shared": apart.score,
            "Reranker": ours.score,
        }
        print(f"random weights, {layers} layers of {hidden}, {arguments.device}, medians of {TURNS}")
        result = {}
        for task, pairs in tasks.items():
            tokens = [int(ours.model[0].preprocess([pair])["attention_mask"].sum()) for pair in pairs]
            result[task] = measure(ways, pairs)
            print(f"\n{task}: {min(tokens)} to {max(tokens)} tokens, mean {statistics.mean(tokens):.0f}")
            print(f"{'':28} pairs/s   ratio   greatest difference of a score")
            for name, row in result[task].items():
                figures = (row["pairs_per_second"], row["ratio"], row["difference"])
                print("{:28} {:7.1f} {:7.2f}   {:.1e}".format(name, *figures))
    if arguments.json:
        settings = {"layers": layers, "hidden": hidden, "device": arguments.device, "turns": TURNS}
        arguments.json.write_text(json.dumps({"settings": settings, "tasks": result}, indent=2) + "\n")


if __name__ == "__main__":
    main()
