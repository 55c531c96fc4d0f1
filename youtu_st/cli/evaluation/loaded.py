"""An encoder as a profile wants it, as near as this machine comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import loading

if TYPE_CHECKING:
    from youtu_st.cli.evaluation.chosen import Chosen
    from youtu_st.encoder import Encoder
    from youtu_st.evaluation.benchmark.encoder import Blank
    from youtu_st.evaluation.benchmark.prompts import TaskPrompts
    from youtu_st.protocol import Role


def load_for(chosen: Chosen, settings: dict[str, Any]) -> Encoder:
    """Load the model with the profile's template, boundary, length, dtype and attention.

    Args:
        chosen: What is to be judged.
        settings: For ``Encoder``: what the user asked for goes before what the profile says.

    Raises:
        YoutuError: As for ``Encoder``.
    """
    with loading(f"loading {chosen.name} ..."):
        from youtu_st.backends.device import available
        from youtu_st.encoder import Encoder
        from youtu_st.evaluation.profiles import load_settings

        device = settings["device"]
        where = available(device[0] if isinstance(device, list) else device)
        wanted = load_settings(chosen.profile, str(where)) if settings["backend"] == "torch" else {}
        return Encoder(
            chosen.spec or chosen.name, truncation="ignore", unknown="warn", **{**wanted, **settings}
        )


def prompts_with_own(chosen: Chosen, encoder: Encoder) -> dict[str, TaskPrompts]:
    """The prompts of all tasks; those of a model without a spec are known now that it is loaded."""
    from youtu_st.evaluation.benchmark.prompts import with_own
    from youtu_st.evaluation.profiles import PLAIN

    if chosen.spec is not None:
        return chosen.prompts
    own: dict[Role, str] = {
        "query": encoder.prompts["query"],
        "document": encoder.prompts["document"],
    }
    # As for a model with a spec: sides alike are queries where documents have a prompt of their own.
    is_query = chosen.profile.name == PLAIN and own["document"]
    alike: Role = "query" if is_query else chosen.profile.sides_alike
    return {name: with_own(told, own, alike) for name, told in chosen.prompts.items()}


def attention_of(encoder: Encoder) -> str | None:
    """What computes a model's attention, by transformers' name; None: not known, as in a graph."""
    if encoder.runtime["backend"] != "torch":
        return None
    config = getattr(getattr(encoder.model[0], "model", None), "config", None)
    found = getattr(config, "_attn_implementation", None)
    return str(found) if found is not None else None


def blank_vector(encoder: Encoder) -> Blank:
    """The vector that the model's own modules give a text without a character.

    All zeros, and so a cosine of 0 with everything, where there is not one token: the tokenizer adds none,
    and there is no prompt.
    """
    import numpy as np

    def vector(role: str, prompt: str) -> Any:
        if not encoder.tokenizer(prompt)["input_ids"]:
            return np.zeros((1, encoder.dimension), dtype=np.float32)
        made = encoder.model.encode([""], prompt=prompt, convert_to_numpy=True, show_progress_bar=False)
        cut = np.asarray(made, dtype=np.float32)[:, : encoder.dimension]
        return cut / np.linalg.norm(cut, axis=1, keepdims=True)

    return vector
