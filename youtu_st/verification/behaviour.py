"""Checks on what a model does: attention, pooling, and vectors that depend on their own text alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from sentence_transformers.base.modules import Transformer

from youtu_st.backends.device import HALF
from youtu_st.modules import checks
from youtu_st.modules.mask import Mask
from youtu_st.modules.settings import declared_pooling, normalizes, ours, prompt_for
from youtu_st.probes import DOCUMENTS, QUERIES
from youtu_st.spec.prompts import fill
from youtu_st.verification.finding import Finding, judge, match, skipped
from youtu_st.verification.subject import Subject
from youtu_st.verification.tokens import (
    BY_ROLE,
    RULES,
    Doubles,
    TokenStates,
    cosines,
    expected_content,
    features_of,
    observed_pooling,
    read_tokens,
    shows_tokens,
)

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 5e-3, torch.float16: 5e-4}
"""By how much the cosine of two ways to the same vector may fall short of 1."""
HALF_TOLERANCE = 0.01
"""The same between float32 and a checkpoint's own dtype of half precision."""

_DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
_CONVERT = "Write the directory anew: youtu-st convert."


class Behaviour:
    """What a model does with the fixed texts; each is computed once, when it is first asked for."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.model = subject.model
        self.tolerance = TOLERANCE.get(self.model.dtype or torch.float32, HALF_TOLERANCE)
        self.has_tokens = shows_tokens(self.model)

    def findings(self) -> list[Finding]:
        """All checks of this class, in the order in which they are read."""
        looks = {
            "attention": self._attention,
            "instruction mask": self._mask,
            "pooling": self._pooling,
            "normalisation": self._normalisation,
            "batch invariance": self._batch,
            "determinism": self._determinism,
            "dtype agreement": self._dtype,
        }
        finite = self._finite()
        if self.is_finite:
            return [finite, *(look() for look in looks.values())]
        return [finite, *(skipped(name, "the vectors are not finite") for name in looks)]

    def vectors(self, texts: Sequence[str], role: str) -> Doubles:
        """What the modules give for a batch, as it is. Shape ``(len(texts), dimension)``."""
        features = features_of(self.model, texts, prompt_for(self.model, role), role)
        with torch.inference_mode():
            output = self.model(features, task=role)
        rows: Doubles = output["sentence_embedding"].double().cpu().numpy()
        return rows

    @cached_property
    def is_finite(self) -> bool:
        """Whether all vectors of the fixed texts are."""
        return bool(np.isfinite(self.together).all())

    @cached_property
    def together(self) -> Doubles:
        """Vectors of the fixed queries, then of the fixed documents; a batch each."""
        return np.concatenate([self.vectors(texts, role) for role, texts in BY_ROLE])

    @cached_property
    def probes(self) -> list[tuple[str, str, str]]:
        """Texts, prompts and roles to tell poolings apart by: with an instruction, where there may be one."""
        prompt, mine = prompt_for(self.model, "query"), ours(self.model)
        if not prompt and mine and mine.settings.template:
            prompt = fill(mine.settings.template, "Given a question, retrieve passages that answer it")
        queries = [(text, prompt, "query") for text in QUERIES[:4]]
        documents = [(text, prompt_for(self.model, "document"), "document") for text in DOCUMENTS[:2]]
        return queries + documents

    @cached_property
    def reads(self) -> list[TokenStates]:
        """The probes, token by token."""
        return [read_tokens(self.model, *probe) for probe in self.probes]

    def _finite(self) -> Finding:
        parameters = list(self.model.named_parameters())
        broken = [name for name, value in parameters if not value.isfinite().all()]
        rows = np.flatnonzero(~np.isfinite(self.together).all(axis=1))
        if not broken and not len(rows):
            found = f"all of {len(parameters)} weights and {len(self.together)} vectors"
            return judge("finite values", True, found)
        found = f"{len(rows)} of {len(self.together)} vectors hold NaN or infinity"
        if broken:
            found = f"{len(broken)} of {len(parameters)} weights (the first: {broken[0]}) and {found}"
        remedy = "The weights are damaged: get the checkpoint anew."
        return Finding("finite values", "off", found, "finite numbers", remedy)

    def _attention(self) -> Finding:
        first: Any = self.model[0]
        if not isinstance(first, Transformer):
            return skipped("attention", "the network is no transformer")
        found, expected = checks.observed_attention(first), self.subject.expected.attention
        remedy = (
            f"{type(first.model).__name__} does not follow config.is_causal; an architecture that "
            "transformers knows does, with attn_implementation 'sdpa' or 'eager'."
            if getattr(first, "attention", None) == expected
            else f"The directory's own settings make it {found}. {_CONVERT}"
        )
        return match("attention", found, expected, remedy)

    def _mask(self) -> Finding:
        """Which tokens enter the vector, by its gradient, beside which should."""
        rule = self.subject.expected.pooling
        if not self.has_tokens or rule not in RULES or rule == "max":
            return self._not_told("instruction mask", rule)
        contents = self._contents(rule)
        if contents is None:
            found = "other tokens are read than those of the prompt and the text"
            remedy = "A chat template, or code of the checkpoint's own, changes texts before they are read."
            return Finding("instruction mask", "off", found, remedy=remedy)
        should, entered = np.concatenate(contents), np.concatenate([read.entered for read in self.reads])
        found = f"{entered.sum()} of {len(entered)} tokens enter the vector"
        wrong = int((entered & ~should).sum()), int((should & ~entered).sum())
        if any(wrong):
            found = f"{found}: {wrong[0]} too many, {wrong[1]} missing"
        remedy = f"The module that pools is not this model's. {_CONVERT}"
        return judge("instruction mask", not any(wrong), found, f"{should.sum()} of {len(should)}", remedy)

    def _pooling(self) -> Finding:
        """The vectors under each rule, from the token states, beside those that the model gives."""
        declared, expected = declared_pooling(self.model), self.subject.expected.pooling
        if not self.has_tokens or expected not in RULES:
            return self._not_told("pooling", expected)
        contents = self._contents("masked_mean")
        if contents is None:
            return skipped("pooling", "the tokens are not those of the prompt and the text")
        fitting = observed_pooling(self.reads, contents, tolerance=self.tolerance)
        found = expected if expected in fitting else next(iter(fitting), "none of the known rules")
        said = f" (its module says {declared})" if declared != found else ""
        remedy = f"The module that pools is not this model's. {_CONVERT}"
        return judge("pooling", found == expected, f"{found}{said}", expected, remedy)

    def _normalisation(self) -> Finding:
        norms = np.linalg.norm(self.together, axis=1)
        unit = bool(np.abs(norms - 1).max() < 1e-2)
        found = "unit length" if unit else f"lengths {norms.min():.2f} to {norms.max():.2f}"
        expected = self.subject.expected.normalize
        should = "" if expected is None else "unit length" if expected else "as the pooling gives them"
        remedy = f"modules.json names {'a' if normalizes(self.model) else 'no'} Normalize module. {_CONVERT}"
        return judge("normalisation", expected in (None, unit), found, should, remedy)

    def _batch(self) -> Finding:
        alone = np.concatenate([self.vectors([text], role) for role, texts in BY_ROLE for text in texts])
        remedy = "Padding changes the vectors: check the padding side, the pad token and the pooling."
        return _same("batch invariance", alone, self.together, self.tolerance, remedy)

    def _determinism(self) -> Finding:
        again = self.vectors(QUERIES, "query")
        remedy = "The same texts give other vectors: the checkpoint's own code leaves something to chance."
        return _same("determinism", again, self.together[: len(QUERIES)], 1e-6, remedy)

    def _dtype(self) -> Finding:
        own, runs = stored_dtype(self.subject.directory), self.model.dtype or torch.float32
        name = "not known" if own is None else str(own).removeprefix("torch.")
        if own not in HALF:
            return skipped("dtype agreement", f"the checkpoint's own is {name}")
        with _cast(self.model, torch.float32, back=runs):
            exact = self.vectors(QUERIES[:4], "query")
        with _cast(self.model, own, back=runs):
            coarse = self.vectors(QUERIES[:4], "query")
        remedy = f"Run it in float32: {name} is too coarse for it."
        return _same(f"dtype agreement ({name})", exact, coarse, HALF_TOLERANCE, remedy)

    def _contents(self, rule: str) -> list[Mask] | None:
        """For each probe, the tokens that a rule counts; None if the model reads other tokens."""
        expected = self.subject.expected
        contents = [
            expected_content(self.model, expected, text, prompt, pooling=rule)
            for text, prompt, _ in self.probes
        ]
        lengths = [len(read.ids) for read in self.reads]
        return contents if [len(content) for content in contents] == lengths else None

    def _not_told(self, check: str, rule: str | None) -> Finding:
        unknown = f"of {rule}, nothing is known here"
        return skipped(check, unknown if self.has_tokens else "the model does not show its tokens")


def _same(check: str, left: Doubles, right: Doubles, tolerance: float, remedy: str) -> Finding:
    least = float(cosines(left, right).min())
    good = least >= 1 - tolerance
    return judge(check, good, f"least cosine {least:.6f}", f"at least {1 - tolerance:g}", remedy)


def stored_dtype(directory: Path) -> torch.dtype | None:
    """The dtype of most of a checkpoint's weights; None where they are in no ``.safetensors`` file."""
    kinds: Counter[str] = Counter()
    for path in directory.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            names: list[str] = file.keys()
            kinds.update(file.get_slice(name).get_dtype() for name in names)
    return _DTYPES.get(kinds.most_common(1)[0][0]) if kinds else None


@contextmanager
def _cast(model: torch.nn.Module, dtype: torch.dtype, *, back: torch.dtype) -> Iterator[None]:
    """Weights in another dtype for a while; not the tables of positions, which stay in float32.

    Nothing is lost on the way back: the weights came from the shorter dtype.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
    for parameter in parameters:
        parameter.data = parameter.data.to(dtype)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.data = parameter.data.to(back)
