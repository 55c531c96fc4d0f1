"""Checks on what a model is made of: files, prompts, the tokens around a text, lengths."""

from __future__ import annotations

from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

from sentence_transformers.base.modules import Transformer
from transformers import PreTrainedTokenizerBase

from youtu_st.errors import ModelLoadError
from youtu_st.inference.preprocess import frontend_for
from youtu_st.loading import checkpoint as files
from youtu_st.modules import checks, tokenization
from youtu_st.spec.prompts import ROLES, prompt_for
from youtu_st.verification.finding import Finding, judge, skipped
from youtu_st.verification.subject import Subject, shorter_lengths

LONGEST = 200_000
"""Tokens beyond which a maximum length is none: tokenizers without one report a huge number."""

_NAMES = {"\n": "line break", " ": "space", "\t": "tab"}
_PLACES = ("token before a text (BOS)", "token after a text (EOS)")
_CONFIG = "config_sentence_transformers.json"


def check_settings(subject: Subject) -> list[Finding]:
    """All checks of this module, in the order in which they are read."""
    findings = [_files(subject), _dimension(subject), *_shorter(subject)]
    if not isinstance(subject.model.tokenizer, PreTrainedTokenizerBase):
        return [*findings, *_prompts(subject), skipped("tokenizer", "it is not one of transformers")]
    return [
        *findings,
        *_added_tokens(subject),
        _padding_side(subject),
        *_prompts(subject),
        _prompt_length(subject),
        _maximum(subject),
        _truncation(subject),
    ]


def _files(subject: Subject) -> Finding:
    """The pinned digest, and whether the checkpoint holds the network's weights."""
    try:
        if subject.spec is not None:
            files.verify(subject.spec, subject.directory)
        first = subject.model[0]
        if isinstance(first, Transformer):
            checks.check_weights(first, subject.directory)
    except ModelLoadError as error:
        return Finding("weights file", "off", str(error), remedy="Get the checkpoint anew.")
    pinned = subject.spec is not None and subject.spec.sha256 is not None
    return judge("weights file", True, "the pinned file" if pinned else "complete")


def _dimension(subject: Subject) -> Finding:
    found, expected = subject.model.get_embedding_dimension(), subject.expected
    remedy = "It is another model's checkpoint, or truncate_dim is set in config_sentence_transformers.json."
    return judge("dimension", expected.dimension in (None, found), found, expected.dimension or "", remedy)


def _shorter(subject: Subject) -> list[Finding]:
    """The lengths that vectors may be cut to; nothing for a model that has none."""
    expected, found = subject.expected.shorter, shorter_lengths(subject.model)
    if not expected and not found:
        return []
    if found is None:
        return [skipped("shorter vectors", "the model's own modules do not know their lengths")]
    remedy = "Set matryoshka_dimensions, or matryoshka_from, in the transformer's configuration."
    return [judge("shorter vectors", found == expected, _lengths(found), _lengths(expected), remedy)]


def _lengths(lengths: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, lengths))}{' and more' if len(lengths) == 1 else ''}" if lengths else "none"


def _added_tokens(subject: Subject) -> list[Finding]:
    remedy = (
        "The tokenizer's files are damaged, or older than the model's release: "
        "take tokenizer.json and tokenizer_config.json from the model's repository."
    )
    expected = (subject.expected.bos, subject.expected.eos)
    findings = []
    observed = checks.added_tokens(subject.model.tokenizer)
    for place, wanted, found in zip(_PLACES, expected, observed, strict=True):
        should = "" if wanted is None else _yes(wanted)
        findings.append(judge(place, wanted in (None, found), _yes(found), should, remedy))
    return findings


def _yes(there: bool) -> str:
    return "added" if there else "none"


def _padding_side(subject: Subject) -> Finding:
    found, expected = str(subject.model.tokenizer.padding_side), subject.expected.padding_side
    remedy = f'Set "padding_side": "{expected}" in tokenizer_config.json.'
    return judge("padding side", expected in (None, found), found, expected or "", remedy)


def _prompts(subject: Subject) -> list[Finding]:
    findings = []
    for role in ROLES:
        found = prompt_for(subject.model, role)
        expected = subject.expected.prompts[role] if subject.expected.prompts is not None else None
        good = expected in (None, found)
        remedy = "" if good else f"{_sentence(difference(found, expected or ''))}: put it right in {_CONFIG}."
        shown = "" if expected is None else repr(expected)
        findings.append(judge(f"{role} prompt", good, repr(found), shown, remedy))
    return findings


def difference(found: str, expected: str) -> str:
    """The first difference of two prompts in words, such as ``a line break is missing after 'question '``."""
    matcher = SequenceMatcher(None, expected, found, autojunk=False)
    changes = [part for part in matcher.get_opcodes() if part[0] != "equal"]
    kind, start, end, left, right = changes[0]
    before = expected[max(start - 12, 0) : start]
    place = f"after {before!r}" if before else "at the beginning"
    missing, extra = _named(expected[start:end]), _named(found[left:right])
    what = {
        "delete": f"{missing} is missing {place}",
        "insert": f"{extra} is too much {place}",
        "replace": f"{extra} stands {place} in place of {missing}",
    }[kind]
    return f"{what}, and {len(changes) - 1} more differ" if len(changes) > 1 else what


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _named(text: str) -> str:
    return f"a {_NAMES[text]}" if text in _NAMES else repr(text)


def _prompt_length(subject: Subject) -> Finding:
    limit = _limit(subject)
    lengths = [tokenization.count(subject.model.tokenizer, prompt_for(subject.model, role)) for role in ROLES]
    found = f"{max(lengths)} tokens"
    if limit is None:
        return judge("prompt length", True, found)
    remedy = "No room is left for a text: shorten the prompt, or raise max_seq_length."
    return judge("prompt length", max(lengths) < limit, found, f"fewer than {limit:,}", remedy)


def _limit(subject: Subject) -> int | None:
    limit = subject.model.get_max_seq_length()
    return limit if limit is not None and limit <= LONGEST else None


def _maximum(subject: Subject) -> Finding:
    found, expected = _limit(subject), subject.expected.max_length
    shown = "no maximum" if found is None else f"{found:,} tokens"
    remedy = f"Set model_max_length in tokenizer_config.json to {expected}."
    should = "" if expected is None else f"{expected:,} tokens"
    return judge("max length", expected in (None, found), shown, should, remedy)


def _truncation(subject: Subject) -> Finding:
    """A text beyond the maximum keeps its prompt before it, and the tokens that are added after it."""
    limit = _limit(subject)
    if limit is None:
        return skipped("truncation", "no text is too long")
    prompt = prompt_for(subject.model, "query")
    read = _reader(subject, prompt)
    long, short = read("word " * (limit + 1)), read("word")
    before, after = checks.added_tokens(subject.model.tokenizer)
    prompt_tokens = tokenization.count(subject.model.tokenizer, prompt) - after if prompt else before
    kept = min(prompt_tokens - 1, limit - 1)  # the prompt's last token may have joined the text
    lost = [
        *(["it is not cut"] if len(long) > limit else []),
        *(["the prompt is cut"] if long[:kept] != short[:kept] else []),
        *(["the token after the text is lost"] if after and long[-1] != short[-1] else []),
    ]
    found = "; ".join(lost) or f"cut to {len(long):,} tokens"
    remedy = 'Set "truncation_side": "right" in tokenizer_config.json.'
    return judge("truncation", not lost, found, "prompt and added tokens stay", remedy)


def _reader(subject: Subject, prompt: str) -> Callable[[str], list[int]]:
    frontend = frontend_for(subject.model)

    def read(text: str) -> list[int]:
        features: dict[str, Any] = frontend.collate(frontend.tokenize([text], [prompt]), "query")
        attended = features["attention_mask"][0].bool()
        ids: list[int] = features["input_ids"][0][attended].tolist()
        return ids

    return read
