"""What the encoding benchmark encodes, and with which networks.

``minilm``: the real all-MiniLM-L6-v2; abstracts, which its 256 tokens cut, and shorter paragraphs of mixed
length, about 100 tokens. ``decoder``: a causal Qwen3-shaped decoder of 220 million random weights; texts that
all fill 128 tokens. ``instruction``: 8 causal layers; queries of about ten tokens after an instruction of 22,
32 a call. Random weights say nothing about quality, so of these only speed and agreement are measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from encoding.texts import abstracts, paragraphs, queries

INSTRUCTION, CALL = 22, 32  # tokens of the instruction, queries of a call
VOCABULARY, LENGTH = 4096, 128
LONG_INSTRUCTION = (
    "Instruct: Given a scientific claim that somebody makes, retrieve the abstracts of papers whose results "
    "support or refute this claim, and prefer those that report an experiment with patients or with animals"
)


@dataclass(frozen=True)
class Shape:
    """The matrix products of a transformer.

    Attributes:
        products: Inputs and outputs of each product of one layer, in order.
        layers: How many layers there are.
        attention: Heads times their size.
        causal: Whether a token attends only to itself and to those before it.
    """

    products: tuple[tuple[int, int], ...]
    layers: int
    attention: int
    causal: bool

    @property
    def parameters(self) -> int:
        """Weights in matrix products; embeddings are looked up, not multiplied."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.products)

    def flops(self, lengths: Iterable[int]) -> int:
        """Floating-point operations that texts of these lengths need, padding not counted.

        A token takes 2 for each weight. Scores and weighted values each take 2 for each pair of tokens that
        attend, each head and each of its dimensions: ``4 * attention`` a pair, and a text of n tokens has
        ``n * n`` pairs, or ``n * (n + 1) / 2`` where attention is causal.
        """
        total = 0
        for n in lengths:
            pairs = n * (n + 1) // 2 if self.causal else n * n
            total += 2 * self.parameters * n + 4 * self.attention * self.layers * pairs
        return total


@dataclass(frozen=True)
class Task:
    """Texts to encode in one call, or in calls of ``call`` texts.

    Attributes:
        texts: What to encode, all different: equal texts could be encoded once.
        lengths: Tokens that the network reads of each, prompt included.
        call: Texts of a call; 0: all.
    """

    texts: list[str]
    lengths: list[int] = field(default_factory=list)
    call: int = 0

    def calls(self) -> list[list[str]]:
        size = self.call or len(self.texts)
        return [self.texts[start : start + size] for start in range(0, len(self.texts), size)]


@dataclass(frozen=True)
class Workload:
    """One network and what to do with it.

    Attributes:
        name: What the command line calls it.
        stock: Directory that sentence-transformers, and the adapters on it, load.
        model: What ``Encoder`` is given: a name or a YAML file.
        checkpoint: Weights for a YAML file.
        tasks: Texts to encode, by name.
        questions: Queries to encode one by one.
        prompt: Goes before every text of every task; None: the texts are documents.
        graph: Directory of the exported ONNX graph.
        shape: The network's matrix products.
        tuned: Batch size and dtype that sentence-transformers was fastest with.
    """

    name: str
    stock: str
    model: str
    tasks: dict[str, Task]
    questions: list[str] = field(default_factory=list)
    checkpoint: str | None = None
    prompt: str | None = None
    graph: str = ""
    shape: Shape | None = None
    tuned: tuple[int, str] = (32, "float32")


@dataclass(frozen=True)
class Size:
    """How much there is to do. ``tiny``: decoders of two small layers, to try the benchmark itself."""

    texts: int
    tiny: bool = False


def minilm(size: Size) -> Workload:
    """The real weights, from the package that carries them."""
    from sentence_transformers import SentenceTransformer

    import youtu_st

    directory = youtu_st.load("minilm", device="cpu")[0].model.name_or_path
    tasks = {
        "paragraphs": Task(paragraphs(size.texts)),
        "abstracts": Task(abstracts(max(size.texts // 5, 4))),
    }
    workload = Workload("minilm", directory, "minilm", tasks, questions=queries(max(size.texts // 5, 4)))
    return measured(workload, SentenceTransformer(directory, device="cpu"))


def decoder(folder: Path, size: Size) -> Workload:
    """The shape of a 220M decoder: fourteen layers of Qwen3-Embedding-0.6B."""
    shape = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 14}
    workload = random_decoder(folder, size, heads=16, head_size=128, **shape)
    long = [text for text in abstracts(4 * size.texts) if len(text) > 8 * LENGTH]
    texts = long[: max(size.texts // 16, 4)]
    return measured(replace(workload, name="decoder", prompt=None, tasks={"passages": Task(texts)}))


def instruction(folder: Path, size: Size) -> Workload:
    """Queries of 6 to 12 tokens as a server gets them, after the instruction that they share."""
    from transformers import AutoTokenizer

    shape = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8}
    workload = random_decoder(folder, size, heads=8, head_size=128, **shape)
    count = max(size.texts // 100, 1) * CALL
    tokenizer: Any = AutoTokenizer.from_pretrained(workload.stock)
    short = dict.fromkeys(" ".join(text.split()[: 4 + i % 4]) for i, text in enumerate(queries(4 * count)))
    fitting = [text for text in short if 6 <= len(tokenizer(text)["input_ids"]) - 1 <= 12]
    task = Task(fitting[:count], call=CALL)
    return measured(replace(workload, name="instruction", tasks={"queries": task}))


def random_decoder(folder: Path, size: Size, *, heads: int, head_size: int, **shape: Any) -> Workload:
    """Write a causal Qwen3 with random weights, its tokenizer, and both ways to describe it."""
    import torch
    import yaml
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import Qwen3Config, Qwen3Model

    if size.tiny:
        shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
        heads, head_size = 4, 16
    raw, stock = str(folder / "raw"), str(folder / "stock")
    tokenizer = byte_bpe([*abstracts(400), *[LONG_INSTRUCTION] * 100])  # its words are tokens
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=head_size,
        max_position_embeddings=1024,
        pad_token_id=0,
        eos_token_id=1,
        **shape,
    )
    torch.manual_seed(0)
    Qwen3Model(config).save_pretrained(raw)
    tokenizer.save_pretrained(raw)
    prompt = cut_to(tokenizer, LONG_INSTRUCTION, INSTRUCTION)
    pooling = Pooling(shape["hidden_size"], "lasttoken")
    modules = [Transformer(raw, max_seq_length=LENGTH), pooling, Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(stock)
    spec = {
        "name": "random-decoder",
        "hub_id": "nobody/random-decoder",
        "license": "Apache-2.0",
        "dimension": shape["hidden_size"],
        "max_length": LENGTH,
        "attention": "causal",
        "pooling": "last_token",
        "boundary": "offsets",
        "special_tokens": "exclude",
        "padding_side": "left",
        "prompts": {"query": prompt, "document": ""},
        "template": "Instruct: {instruction}\nQuery:",
    }
    (folder / "decoder.yaml").write_text(yaml.safe_dump(spec), "utf-8")
    return Workload("", stock, str(folder / "decoder.yaml"), {}, checkpoint=raw, prompt=prompt)


def byte_bpe(corpus: Sequence[str]) -> Any:
    """A byte-level BPE tokenizer trained on the texts, padding on the left, ending texts as Qwen3's does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", tokenizer.token_to_id("<eos>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", padding_side="left"
    )


def cut_to(tokenizer: Any, text: str, tokens: int) -> str:
    """As many words of the text as ``tokens`` tokens hold, and a line break."""
    words = text.split()
    for count in range(len(words), 0, -1):
        cut = " ".join(words[:count]) + "\n"
        if len(tokenizer(cut, add_special_tokens=False)["input_ids"]) <= tokens:
            return cut
    raise ValueError(f"the first word of {text!r} has more than {tokens} tokens")


def measured(workload: Workload, model: Any = None) -> Workload:
    """The workload with its texts' lengths and its network's shape."""
    from sentence_transformers import SentenceTransformer

    model = model or SentenceTransformer(workload.stock, device="cpu")
    prompt = workload.prompt or ""

    def lengths(texts: list[str]) -> list[int]:
        limit = {"truncation": True, "max_length": model.max_seq_length}
        return [len(ids) for ids in model.tokenizer([prompt + text for text in texts], **limit)["input_ids"]]

    tasks = {name: replace(task, lengths=lengths(task.texts)) for name, task in workload.tasks.items()}
    return replace(workload, tasks=tasks, shape=shape_of(model[0].model))


def shape_of(network: Any) -> Shape:
    """Read off a transformers network whose layers are all alike."""
    import torch

    config = network.config
    linears = [
        (module.in_features, module.out_features)
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and "pooler" not in name
    ]
    heads = config.num_attention_heads
    return Shape(
        products=tuple(linears[: len(linears) // config.num_hidden_layers]),
        layers=config.num_hidden_layers,
        attention=heads * (getattr(config, "head_dim", None) or config.hidden_size // heads),
        causal=config.model_type != "bert",
    )
