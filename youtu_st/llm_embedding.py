"""``LLMEmbeddingModel``: the class of Youtu-Embedding's own scripts, on top of :class:`~youtu_st.Encoder`.

A script that has the class in it runs here once it imports the class instead::

    from youtu_st.llm_embedding import LLMEmbeddingModel

Vectors are those of ``usage/infer_llm_embedding.py``: positions are counted (see ``docs/mask.md``), 1,024
tokens are read, the network is float32, and a query stands after ``Query: ``. The scripts at the root of the
repository have the class with ``Query:`` and no space, which is another vector: set
:attr:`query_instruction` to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers.util import batch_to_device
from torch import Tensor

from youtu_st.encoder import Encoder
from youtu_st.errors import InputError, printable
from youtu_st.inputs import check_count
from youtu_st.loading.loader import load
from youtu_st.modules.settings import prompt_for
from youtu_st.spec import instructions
from youtu_st.spec.prompts import PLACEHOLDER, each_instruction, fill

SPEC = "youtu-embedding-script"
QUERY_TASK = "Given a search query, retrieve passages that answer the question"
_BAR = 30
_STAND_IN = "some words, of which tokens are left in any vocabulary"


class LLMEmbeddingModel:
    """Queries and passages to vectors, as the scripts of Youtu-Embedding have it.

    Attributes may be set at any time; the next call reads them.

    Args:
        model_name_or_path: The checkpoint: a directory or a hub id.
        batch_size: Kept for scripts that give it. Batches are planned by tokens, and halved where memory is
            short; no vector depends on them.
        max_length: Tokens to read, instruction included; what is longer is cut.
        gpu_id: Which GPU. Where there is none, the best device there is.
        trust_remote_code: Run code that the checkpoint brings. The published class always does.

    Attributes:
        query_instruction: Put before every query, as it stands: no template is put around it.
        doc_instruction: Put before every passage, likewise.
        device: Where the network is, and the vectors that are returned.
        model: The ``SentenceTransformer`` below.
        tokenizer: Its tokenizer.

    Raises:
        InputError: If ``max_length``, ``batch_size`` or ``gpu_id`` is not what it may be.
        ModelLoadError: As for :func:`youtu_st.load`.
    """

    def __init__(
        self,
        model_name_or_path: str | Path,
        batch_size: int = 128,
        max_length: int = 1024,
        gpu_id: int = 0,
        *,
        trust_remote_code: bool = False,
    ) -> None:
        if isinstance(gpu_id, bool) or not isinstance(gpu_id, int) or gpu_id < 0:
            raise InputError(f"gpu_id must be an int of at least 0, not {gpu_id!r}")
        check_count("batch_size", batch_size)
        device = f"cuda:{gpu_id}" if torch.cuda.is_available() else None
        self.model = load(
            SPEC, model_name_or_path, device=device, dtype="float32", trust_remote_code=trust_remote_code
        )
        self.tokenizer = self.model.tokenizer
        self.device = self.model.device
        first: Any = self.model[0]
        first.template = PLACEHOLDER  # instructions are whole prompts here
        self.batch_size = batch_size
        self.max_length = max_length
        self.query_instruction = fill(instructions.template(SPEC, "usage"), QUERY_TASK)
        self.doc_instruction = prompt_for(self.model, "document")
        self._encoder = Encoder(self.model, truncation="ignore")

    @property
    def max_length(self) -> int:
        """Tokens to read, instruction included."""
        return self.model.max_seq_length or 0

    @max_length.setter
    def max_length(self, value: int) -> None:
        check_count("max_length", value)
        first: Any = self.model[0]
        limit = getattr(first.config, "max_position_embeddings", value)
        if value > limit:
            raise InputError(f"max_length is {value}, and the network reads at most {limit} tokens")
        self.model.max_seq_length = value

    def encode(self, sentences_batch: str | Sequence[str], instruction: str | Sequence[str]) -> Tensor:
        """Encode texts that begin with their instruction.

        Args:
            sentences_batch: ``instruction + text``, each; one str is one text.
            instruction: What they begin with: one for all, or one for each.

        Returns:
            Shape ``(n, dim)``, float32, unit rows, on :attr:`device`.

        Raises:
            InputError: If a text does not begin with its instruction; or has no more tokens with it than the
                instruction alone, where the published class gives NaN; or as for ``Encoder.encode_query``.
        """
        listed = [sentences_batch] if isinstance(sentences_batch, str) else sentences_batch
        return self._encode(_bare(listed, instruction), instruction)

    def encode_queries(self, queries: str | Sequence[str]) -> Tensor:
        """Encode queries after :attr:`query_instruction`.

        Args:
            queries: One, or a list.

        Returns:
            Shape ``(n, dim)``, float32, unit rows, on :attr:`device`.

        Raises:
            InputError: As for :meth:`encode`.
        """
        return self._encode(queries, self.query_instruction)

    def encode_passages(self, passages: str | Sequence[str]) -> Tensor:
        """Encode passages after :attr:`doc_instruction`, otherwise as :meth:`encode_queries`."""
        return self._encode(passages, self.doc_instruction)

    def compute_similarity_for_vectors(self, q_reps: Tensor, p_reps: Tensor) -> Tensor:
        """Dot product of each query's vector with each passage's.

        Args:
            q_reps: Shape ``(n, dim)``.
            p_reps: Shape ``(m, dim)``.

        Returns:
            Shape ``(n, m)``.
        """
        return q_reps @ p_reps.transpose(-2, -1)

    def compute_similarity(
        self, queries: str | Sequence[str], passages: str | Sequence[str]
    ) -> list[list[float]]:
        """Cosine of each query with each passage, a list for each query.

        Raises:
            InputError: As for :meth:`encode`.
        """
        vectors = self.encode_queries(queries), self.encode_passages(passages)
        rows: list[list[float]] = self.compute_similarity_for_vectors(*vectors).tolist()
        return rows

    def display_results(self, query: str, passages: Sequence[str], scores: Sequence[Sequence[float]]) -> None:
        """Print the passages of a query, the most similar first, with their scores.

        Args:
            query: The query.
            passages: Its passages.
            scores: What :meth:`compute_similarity` gives for them; the first list is the query's.
        """
        print(f"\nQuery: {printable(query)}")
        ranked = sorted(zip(scores[0], passages, strict=True), key=lambda pair: -pair[0])
        for rank, (score, passage) in enumerate(ranked, start=1):
            full = min(_BAR, max(0, int(score * _BAR)))
            print(f"{rank:3}  {score:7.4f}  {'█' * full}{'░' * (_BAR - full)}  {printable(passage)}")

    def _encode(self, texts: str | Sequence[str], instruction: str | Sequence[str]) -> Tensor:
        listed = [texts] if isinstance(texts, str) else texts
        each = each_instruction(instruction, len(listed))
        alone = self._added_tokens_alone(listed, each)
        # Another text stands in for those: messages name positions.
        others = [_STAND_IN if i in alone else text for i, text in enumerate(listed)]
        found = self._encoder.encode_query(others, instruction=each)
        if alone:
            first: Any = self.model[0]
            with torch.inference_mode():
                features = batch_to_device(first.collate(list(alone.values())), self.device)
                found[list(alone)] = self.model(features)["sentence_embedding"].float().cpu().numpy()
        return torch.from_numpy(found).to(self.device)

    def _added_tokens_alone(self, texts: Sequence[str], told: Sequence[str | None]) -> dict[int, Any]:
        """Rows of the texts of which only tokens that the tokenizer added are left, by position.

        Where it adds an end token to the instruction too, one token more is dropped than the instruction has:
        of a text of one token the scripts return that end token's vector, which ``Encoder`` refuses.
        """
        short = [i for i, text in enumerate(texts) if isinstance(text, str) and text]
        first: Any = self.model[0]
        rows = first.tokenize_texts([texts[i] for i in short], [told[i] or "" for i in short])
        return {
            i: row
            for i, row in zip(short, rows, strict=True)
            if row.content.any() and (row.is_blank or texts[i].isspace())
        }


def _bare(sentences: Sequence[str], instruction: str | Sequence[str]) -> list[str]:
    """What stands after the instruction."""
    bare = []
    for position, told in enumerate(each_instruction(instruction, len(sentences))):
        sentence = sentences[position]
        if not (isinstance(sentence, str) and isinstance(told, str) and sentence.startswith(told)):
            raise InputError(
                f"text {position} must begin with its instruction {told!r}: encode() takes instruction + "
                "text; encode_queries() and encode_passages() put it there themselves"
            )
        bare.append(sentence.removeprefix(told))
    return bare
