"""Checks on what a model is made of: files, prompts, the tokens around a text, lengths."""

from __future__ import annotations

from difflib import SequenceMatcher

from transformers import PreTrainedTokenizerBase

from youtu_st.errors import ModelLoadError
from youtu_st.loading import checkpoint as files
from youtu_st.loading.weights import check_loaded
from youtu_st.modules import checks, tokenization
from youtu_st.modules.settings import ours, prompt_for
from youtu_st.spec.model import Shorter
from youtu_st.spec.prompts import ROLES
from youtu_st.verification.finding import Finding, judge, match, skipped
from youtu_st.verification.subject import Subject
from youtu_st.verification.tokens import features_of

LONGEST = 200_000
"""Tokens beyond which a maximum length is none: tokenizers without one report a huge number."""

_NAMES = {"\n": "line break", " ": "space", "\t": "tab"}
_PLACES = ("token before a text (BOS)", "token after a text (EOS)")
_CONFIG = "config_sentence_transformers.json"


def check_settings(subject: Subject) -> list[Finding]:
    """All checks of this module, in the order in which they are read."""
    model, expected = subject.model, subject.expected
    remedy = f"It is another model's checkpoint, or truncate_dim is set in {_CONFIG}."
    dimension = match("dimension", model.get_embedding_dimension(), expected.dimension, remedy)
    findings = [_files(subject), dimension, *_shorter(subject)]
    if not isinstance(model.tokenizer, PreTrainedTokenizerBase):
        return [*findings, *_prompts(subject), skipped("tokenizer", "it is not one of transformers")]
    limit = model.get_max_seq_length()
    if limit is not None and limit > LONGEST:
        limit = None
    set_side = f'Set "padding_side": "{expected.padding_side}" in tokenizer_config.json.'
    set_length = f"Set model_max_length in tokenizer_config.json to {expected.max_length}."
    return [
        *findings,
        *_added_tokens(subject),
        match("padding side", str(model.tokenizer.padding_side), expected.padding_side, set_side),
        *_prompts(subject),
        _prompt_length(subject, limit),
        match("max length", limit, expected.max_length, set_length, show=_tokens),
        _truncation(subject, limit),
    ]


def _files(subject: Subject) -> Finding:
    """The pinned digest, and whether the checkpoint holds the network's weights."""
    try:
        if subject.spec is not None:
            files.verify(subject.spec, subject.directory)
        check_loaded(subject.model, subject.directory)
    except ModelLoadError as error:
        return Finding("weights file", "off", str(error), remedy="Get the checkpoint anew.")
    pinned = subject.spec is not None and subject.spec.sha256 is not None
    return judge("weights file", True, "the pinned file" if pinned else "complete")


def _shorter(subject: Subject) -> list[Finding]:
    """The lengths that vectors may be cut to; nothing for a model that has none."""
    mine, expected = ours(subject.model), subject.expected.matryoshka_dimensions
    found = mine.settings.matryoshka_dimensions if mine else ()
    if not expected and not found:
        return []
    if mine is None:
        return [skipped("shorter vectors", "the model's own modules do not know their lengths")]
    remedy = "Set matryoshka_dimensions in the transformer's configuration."
    return [judge("shorter vectors", found == expected, _lengths(found), _lengths(expected), remedy)]


def _lengths(shorter: Shorter) -> str:
    if isinstance(shorter, dict):
        return f"{shorter['from']} and more"
    return ", ".join(map(str, shorter)) or "none"


def _added_tokens(subject: Subject) -> list[Finding]:
    remedy = (
        "The tokenizer's files are damaged, or older than the model's release: "
        "take tokenizer.json and tokenizer_config.json from the model's repository."
    )
    expected = (subject.expected.bos, subject.expected.eos)
    observed = checks.added_tokens(subject.model.tokenizer)
    return [
        match(place, found, wanted, remedy, show=lambda there: "added" if there else "none")
        for place, wanted, found in zip(_PLACES, expected, observed, strict=True)
    ]


def _prompts(subject: Subject) -> list[Finding]:
    findings = []
    for role in ROLES:
        found = prompt_for(subject.model, role)
        expected = subject.expected.prompts.of(role) if subject.expected.prompts else None
        words = "" if expected in (None, found) else difference(found, expected or "")
        remedy = f"{words[:1].upper()}{words[1:]}: put it right in {_CONFIG}."
        findings.append(match(f"{role} prompt", found, expected, remedy, show=repr))
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


def _named(text: str) -> str:
    return f"a {_NAMES[text]}" if text in _NAMES else repr(text)


def _prompt_length(subject: Subject, limit: int | None) -> Finding:
    longest = max(tokenization.counts(subject.model.tokenizer, [prompt_for(subject.model, r) for r in ROLES]))
    remedy = "No room is left for a text: shorten the prompt, or raise max_seq_length."
    should = "" if limit is None else f"fewer than {limit:,}"
    return judge("prompt length", limit is None or longest < limit, f"{longest} tokens", should, remedy)


def _tokens(limit: int | None) -> str:
    return "no maximum" if limit is None else f"{limit:,} tokens"


def _truncation(subject: Subject, limit: int | None) -> Finding:
    """A text beyond the maximum keeps its prompt before it, and the tokens that are added after it."""
    if limit is None:
        return skipped("truncation", "no text is too long")
    prompt = prompt_for(subject.model, "query")
    long, short = _ids(subject, "word " * (limit + 1), prompt), _ids(subject, "word", prompt)
    before, after = checks.added_tokens(subject.model.tokenizer)
    prompt_tokens = tokenization.count(subject.model.tokenizer, prompt) - after if prompt else before
    kept = min(prompt_tokens - 1, limit - 1)  # the prompt's last token may have joined the text
    faults = {
        "it is not cut": len(long) > limit,
        "the prompt is cut": long[:kept] != short[:kept],
        "the token after the text is lost": after and long[-1] != short[-1],
    }
    lost = [fault for fault, is_there in faults.items() if is_there]
    found = "; ".join(lost) or f"cut to {len(long):,} tokens"
    remedy = 'Set "truncation_side": "right" in tokenizer_config.json.'
    return judge("truncation", not lost, found, "prompt and added tokens stay", remedy)


def _ids(subject: Subject, text: str, prompt: str) -> list[int]:
    features = features_of(subject.model, [text], prompt, "query")
    ids: list[int] = features["input_ids"][0][features["attention_mask"][0].bool()].tolist()
    return ids
