"""A directory that sentence-transformers loads by itself: its own modules alone, with the same results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Transformer

from youtu_st.backends.quiet import quiet_host
from youtu_st.backends.resting import whole_at_forks
from youtu_st.disk import write_whole
from youtu_st.errors import InputError, ModelLoadError, in_one_line
from youtu_st.loading.adapters import ADAPTER_WEIGHTS
from youtu_st.loading.alike import check_alike, check_same_scores, lost_a_row, other_weights
from youtu_st.loading.contents import MODULES
from youtu_st.loading.stock import (
    check_code,
    refusal,
    stock_pooling,
    tokenizer_settings,
    transformer_settings,
)
from youtu_st.loading.vacant import vacant, whole_directory
from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.settings import ours, prompt_for, split_special_tokens, splits_special_tokens
from youtu_st.spec.prompts import ROLES


def write_plain(model: SentenceTransformer, out: Path) -> Path:
    """Write a model as a directory of stock sentence-transformers modules alone.

    ``SentenceTransformer(out).encode_query`` and ``encode_document`` then give the model's vectors to 1e-6 of
    their length, and in batches but for rounding, without this package and without ``trust_remote_code``.
    Before the directory counts, it is loaded so and compared: all weights, the tokens of probe texts of many
    kinds and lengths, and the vectors of those of up to 1,024 tokens. The loaded copy takes as much memory as
    the model.

    What is lost: instructions per call, the template and the shorter lengths that the model declares, and the
    rule for a text without a token of its own behind a prompt that the mean leaves out: ``Encoder`` refuses
    it, and stock pooling gives zeros. A network made bidirectional needs transformers from 5.2 on, wherever
    it is read: earlier ones do not follow ``is_causal``. There is no model card.

    Args:
        model: In the dtype that is to be written; not changed.
        out: The directory to write; must be absent or empty.

    Returns:
        ``out``.

    Raises:
        ModelLoadError: If ``out`` is not empty or cannot be written, or stock modules cannot be told a rule
            of the model's: the message names the rule, and what to do. Nothing is left, nor after Ctrl-C.
    """
    vacant(out)
    check_code(model)
    pooling = {
        position: stock_pooling(model, module)
        for position, module in enumerate(model)
        if isinstance(module, InstructionMaskedPooling)
    }
    with whole_directory(out) as written:
        _write(model, written, pooling)
        _check(model, written)
    return out


def write_plain_reranker(model: CrossEncoder, out: Path) -> Path:
    """As :func:`write_plain`, for a cross-encoder of stock modules: saved, read by itself, and compared.

    Args:
        model: Not changed.
        out: The directory to write; must be absent or empty.

    Returns:
        ``out``: ``CrossEncoder(out).predict`` gives the model's scores.

    Raises:
        ModelLoadError: As there; and for a language model that is asked in a template of its own.
    """
    vacant(out)
    check_code(model)
    with whole_directory(out) as written:
        _write(model, written, {})
        with whole_at_forks(), quiet_host():
            plain = CrossEncoder(str(written), device=str(model.device), local_files_only=True)
        check_same_scores(model, plain)
        del plain
    return out


def _write(model: SentenceTransformer | CrossEncoder, written: Path, pooling: dict[int, Any]) -> None:
    """The model as the host saves it, with stock modules named in the place of ours."""
    with quiet_host():
        model.save_pretrained(str(written), create_model_card=False)
    if (written / ADAPTER_WEIGHTS).exists():
        raise refusal(
            "an adapter", "its weights need another directory's", "merge it: youtu_st.training.merge_adapter"
        )
    modules = json.loads((written / MODULES).read_text(encoding="utf-8"))
    for position, module in pooling.items():
        shutil.rmtree(written / modules[position]["path"])
        modules[position] |= {"path": f"{position}_{type(module).__name__}", "type": _name(type(module))}
        (written / modules[position]["path"]).mkdir()
        module.save(str(written / modules[position]["path"]))
    first = ours(model)
    if first is not None:
        modules[0]["type"] = _name(Transformer)
        _put(written / first.config_file_name, transformer_settings(first))
    _put(written / MODULES, modules)
    if isinstance(model[0], Transformer) and (told := tokenizer_settings(model)):
        path = written / "tokenizer_config.json"
        _put(path, {**json.loads(path.read_text(encoding="utf-8")), **told})


def _check(model: SentenceTransformer, written: Path) -> None:
    """Raise unless what was written gives the model's vectors."""
    plain = _load(model, written)
    apart = other_weights(model, plain)
    if len(apart) == 1 and lost_a_row(model, plain, apart[0]):
        _keep_padding_row(written)
        del plain
        plain = _load(model, written)
    check_alike(model, plain)


def _keep_padding_row(written: Path) -> None:
    """Have transformers leave the row of the padding token as it is, where the network needs to know none.

    It sets that row to zero after it has read it, for some networks, and a text may hold the token. Batches
    are padded by the tokenizer, which knows its own.
    """
    path = written / "config.json"
    if path.is_file():
        _put(path, {**json.loads(path.read_text(encoding="utf-8")), "pad_token_id": None})


def _name(of: type) -> str:
    return f"{of.__module__}.{of.__name__}"


def _put(path: Path, content: Any) -> None:
    write_whole(path, json.dumps(content, ensure_ascii=False, indent=2).encode())


def _load(model: SentenceTransformer, written: Path) -> SentenceTransformer:
    """What was written, as anybody loads it: no code but the hosts' runs."""
    with whole_at_forks(), quiet_host():
        try:
            plain = SentenceTransformer(str(written), device=str(model.device), local_files_only=True)
        except Exception as error:
            raise ModelLoadError(in_one_line("stock modules do not load what was written", error)) from error
    if splits_special_tokens(model):
        try:
            split_special_tokens(plain, [prompt_for(model, role) for role in ROLES])
        except InputError as error:
            raise refusal("split_special_tokens", str(error)) from error
    return plain
