"""What an engine knows of the model behind it: from a spec, or from a server that tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from youtu_st.protocol import canonical
from youtu_st.spec.model import ModelSpec


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides which texts and vectors go to and fro.

    Attributes:
        name: What messages call the model.
        dimension: Length of a vector, unless a shorter one is asked for.
        lengths: Lengths that a vector may have, ascending.
        identity: The named parts that decide what a vector means, for vectors of ``dimension``.
        fingerprint: Over ``identity``, as a server tells it; None: computed from it here.
        spec: What is known about the model as data; None: a server tells less of it.
    """

    name: str
    dimension: int
    lengths: Sequence[int]
    identity: Mapping[str, str]
    fingerprint: str | None
    spec: ModelSpec | None


def facts_of(spec: ModelSpec, identity: Mapping[str, str]) -> Facts:
    """What a client knows by itself: the spec, and what it says to an identity."""
    told = {
        "prompts": canonical(spec.prompts.model_dump()),
        "template": canonical(spec.template),
        "pooling": canonical([spec.pooling, spec.attention, spec.boundary, spec.special_tokens]),
        "max_length": str(spec.max_length),
        "dimension": str(spec.dimension),
        "normalize": "true",
    }
    return Facts(spec.name, spec.dimension, spec.lengths, {**identity, **told}, None, spec)
