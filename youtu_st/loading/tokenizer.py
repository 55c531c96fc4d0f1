"""The tokenizer of a spec's model, without its weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from youtu_st.loading.contents import check_contents
from youtu_st.loading.loader import readable
from youtu_st.modules.tokenization import prepare
from youtu_st.spec.model import ModelSpec
from youtu_st.spec.registry import expanded, is_directory


def load_tokenizer(
    spec: ModelSpec, checkpoint: str | Path | None = None, *, trust_remote_code: bool = False
) -> Any:
    """The tokenizer alone, set up as the model's own.

    Args:
        spec: The model.
        checkpoint: A directory or a hub id that has its files. None: the package that carries the model
            where it is installed, else its hub repository, of which only these files are fetched.
        trust_remote_code: Run code that the checkpoint brings.

    Raises:
        ModelLoadError: If there is none, or it cannot be read.
    """
    where, revision = str(checkpoint or spec.hub_id), None if checkpoint else spec.revision
    found = None if checkpoint or not spec.package else importlib.util.find_spec(spec.package.module)
    if spec.package and found is not None and found.submodule_search_locations:
        where, revision = str(Path(found.submodule_search_locations[0]) / spec.package.path), None
    with readable(where):
        if is_directory(where):
            where = str(expanded(where))
            check_contents(Path(where))
        tokenizer: Any = AutoTokenizer.from_pretrained(
            where, revision=revision or "main", trust_remote_code=trust_remote_code
        )
        prepare(tokenizer)
    return tokenizer
