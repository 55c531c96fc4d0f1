"""A tokenizer to which special tokens that stand in a text are characters like any others.

``tokenizer(text, split_special_tokens=True)`` of transformers does not do for that: it changes the tokenizer,
which threads share; it reads the prompt before a text like the text; and a tokenizer whose model has ``</s>``
as a piece of its own, as Unigram's do, gives that token all the same.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from tokenizers import AddedToken, Tokenizer, models

from youtu_st.errors import InputError
from youtu_st.modules.facts import HostFacts
from youtu_st.modules.reader import FastReader

_SECRET = secrets.token_hex(16)


class LiteralTokenizer(FastReader):
    """A copy of a tokenizer in which each special token goes by a name that no text can hold.

    The name is a secret of the process, so the copy finds special tokens only where :meth:`marked` has
    written it: in a prompt. All else is the tokenizer's own, ids included. Never changed once it is made:
    threads may share it.

    Args:
        tokenizer: A fast tokenizer of transformers, or a :class:`~youtu_st.modules.reader.FastReader`.
        template: What the model writes around texts. Added tokens that stand in it are taken for special
            ones, whatever the tokenizer says of them: Qwen3's ``<think>`` is not, and opens an answer.

    Raises:
        InputError: If the tokenizer is not a fast one, cannot be copied, or its copy gives other ids.
    """

    def __init__(self, tokenizer: Any, template: str = "") -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        name = tokenizer.name if isinstance(tokenizer, FastReader) else type(tokenizer).__name__
        if not isinstance(backend, Tokenizer):
            raise _refused(name, "it is not a fast tokenizer")
        facts = tokenizer.facts if isinstance(tokenizer, FastReader) else HostFacts(tokenizer)
        self._original = FastReader(backend, facts, name)
        self._size = self._original.size
        added = backend.get_added_tokens_decoder()
        special = [token for token in added.values() if token.special or _is_in(token, template)]
        self._names = {token.content: _name(token.content) for token in special}
        self._finder = _finder(backend, list(added.values()))
        try:
            content = json.loads(backend.to_str())
            copy = Tokenizer.from_str(json.dumps(_renamed(content, self._names)))
        except Exception as error:  # tokenizers raises no other, for parts that are written in Python
            raise _refused(name, str(error)) from error
        super().__init__(copy, facts, name)
        self._check(added)

    @property
    def unk_token_id(self) -> int | None:
        """As of the tokenizer."""
        return self.facts.unknown_id

    @property
    def all_special_ids(self) -> list[int]:
        """As of the tokenizer."""
        return list(self.facts.special_ids)

    @property
    def _splits(self) -> bool:
        return False  # what is to be split is no special token of the copy

    def is_of(self, tokenizer: Any) -> bool:
        """Whether this is still the copy of a tokenizer: of this one, and as large as it was."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        return backend is self._original.backend_tokenizer and self._original.size == self._size

    def own_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """As of :class:`~youtu_st.modules.reader.Reader`: special tokens in them are special."""
        return self._original.own_ids(texts)

    def marked(self, prompt: str) -> str:
        """A prompt whose special tokens are found by the copy: those that stand in it whole."""
        found = self._finder.encode(prompt)
        parts, end = [], 0
        for i, (start, stop) in zip(found.ids, found.offsets, strict=True):
            name = self._names.get(self._finder.id_to_token(i) or "")
            if name is not None:
                parts += [prompt[end:start], name]
                end = stop
        return "".join([*parts, prompt[end:]])

    def __call__(self, texts: Sequence[str], **options: Any) -> dict[str, list[Any]]:
        """What the tokenizer gives for texts, without padding and truncation.

        Args:
            texts: Each after its prompt, which :meth:`marked` gave.
            **options: As the tokenizer takes them; ``return_offsets_mapping`` is looked at.

        Returns:
            ``input_ids``, ``special_tokens_mask`` and, where the tokenizer gives them and they are asked for,
            ``token_type_ids`` and ``offset_mapping``: for each text a list of one entry a token.
        """
        rows = list(self.read(texts))
        columns: dict[str, list[Any]] = {
            "input_ids": [row.ids for row in rows],
            "special_tokens_mask": [row.special for row in rows],
        }
        if self.facts.gives_type_ids:
            columns["token_type_ids"] = [row.type_ids for row in rows]
        if options.get("return_offsets_mapping"):
            columns["offset_mapping"] = [row.offsets for row in rows]
        return columns

    def _check(self, added: Mapping[int, AddedToken]) -> None:
        """Raise unless added tokens have the ids that they had, and characters give no special token."""
        copy = self.backend_tokenizer
        special = {i for i, token in added.items() if token.content in self._names}
        for i, token in added.items():
            if copy.token_to_id(self._names.get(token.content, token.content)) != i:
                raise _refused(self.name, f"a copy of it has another id for {token.content!r}")
        for i in special:
            given = copy.encode(added[i].content, add_special_tokens=False).ids
            # That of [UNK] stands for any character that is not in the vocabulary.
            if special.intersection(given) - {self.unk_token_id}:
                raise _refused(self.name, f"the characters of {added[i].content!r} give a special token")


def _finder(backend: Tokenizer, added: Sequence[AddedToken]) -> Tokenizer:
    """A tokenizer that finds added tokens where another finds them, and gives nothing for what is between."""
    finder = Tokenizer(models.BPE())
    finder.normalizer = backend.normalizer
    finder.add_tokens(list(added))
    return finder


def _is_in(token: AddedToken, template: str) -> bool:
    return token.content in template and not token.content.isspace()


def _name(content: str) -> str:
    """The name of a special token in all copies of this process, between the characters that it begins and
    ends with: a token beside it may look at these.
    """
    return f"{content[:1]}{sha256((_SECRET + content).encode()).hexdigest()[:32]}{content[-1:]}"


def _renamed(content: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """What ``tokenizer.json`` says, with other names for some tokens, in the model's vocabulary too.

    Args:
        content: As ``Tokenizer.to_str`` writes it.
        names: New names by old ones.
    """
    added = [
        # In a prompt a special token is one whatever text follows: it need not stand alone.
        {**token, "content": names[token["content"]], "single_word": False}
        if token["content"] in names
        else token
        for token in content["added_tokens"]
    ]
    model = dict(content["model"])
    vocabulary = model["vocab"]
    if isinstance(vocabulary, Mapping):
        model["vocab"] = {names.get(piece, piece): i for piece, i in vocabulary.items()}
    else:  # Unigram: pieces with their scores, in the order of their ids
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in vocabulary]
    if isinstance(model.get("unk_token"), str):
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    if "merges" in model:
        prefix = model.get("continuing_subword_prefix") or ""
        model["merges"] = [pair for pair in model["merges"] if not _parts(pair, prefix) & names.keys()]
    return {**content, "added_tokens": added, "model": model, "truncation": None, "padding": None}


def _parts(pair: Sequence[str] | str, prefix: str) -> set[str]:
    """The two pieces of a merge, and what they become."""
    left, right = pair.split(" ") if isinstance(pair, str) else pair
    return {left, right, left + right.removeprefix(prefix)}


def _refused(name: str, why: str) -> InputError:
    return InputError(f"split_special_tokens is not for {name}: {why}")
