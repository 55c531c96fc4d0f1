"""How a model is evaluated, as data: as its authors did it, or plainly as ``Encoder`` encodes.

Files of ``configs/evaluation``, one for each model or family. Loads neither torch nor mteb.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from youtu_st.errors import InputError, brief, did_you_mean
from youtu_st.protocol import Role
from youtu_st.spec import instructions
from youtu_st.spec.model import MODELS, Boundary, ModelSpec, PaddingSide
from youtu_st.spec.registry import Count, Declared, configs_directory, is_yaml, names, read, validated

FOLDER = "evaluation"
PUBLISHED, PLAIN = "published", "plain"

Dtype = Literal["float32", "bfloat16", "float16"]
AttentionImplementation = Literal["eager", "sdpa", "flash_attention_2"]


class Profile(Declared):
    """How a model is evaluated.

    Attributes:
        name: What reports call it.
        kind: ``published``: as the authors did it; ``plain``: as ``Encoder`` encodes.
        models: The models that it is for, by the names of their specs.
        rerankers: Those that were run with the same instructions, by the names of their specs.
        source: Where the facts are from; the files say it of each.
        mteb: The version of mteb that the authors used.
        table: Their instructions, a file of ``configs/instructions``.
        template: Which of the spec's ``templates`` is put around them; None: the spec's own ``template``.
        max_length: Tokens that are read. None: as the spec has it, as all that follows.
        boundary: Where the instruction ends, see ``docs/mask.md``.
        padding_side: Side that short rows of a batch are padded on.
        dtype: What the network computes in. None: not known.
        attention_implementation: What computes its attention, by transformers' name. None: not known.
        fixed: By type of task: an instruction for both sides, whatever the table says.
        bare_documents: Types of tasks whose documents have no instruction, where the table gives them none.
        otherwise: What a task without an instruction of the authors gets: mteb's own, through the template,
            or what the ``model`` itself puts before texts.
        sides_alike: As what texts are encoded that are neither queries nor documents.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    kind: Literal["published", "plain"] = "published"
    models: tuple[str, ...]
    rerankers: tuple[str, ...] = ()
    source: str
    mteb: str | None = None
    table: str | None = None
    template: str | None = None
    max_length: Count | None = None
    boundary: Boundary | None = None
    padding_side: PaddingSide | None = None
    dtype: Dtype | None = None
    attention_implementation: AttentionImplementation | None = None
    fixed: dict[str, str] = {}
    bare_documents: tuple[str, ...] = ()
    otherwise: Literal["mteb", "model"] = "model"
    sides_alike: Role = "document"


def load_profile(model: str | Path | ModelSpec, profile: str | Path | None = None) -> Profile:
    """How to evaluate a model.

    Args:
        model: Its name, hub id, directory or YAML file, or its spec.
        profile: ``published``, ``plain``, or a profile's YAML file. None: ``published`` where there is one,
            else ``plain``.

    Raises:
        InputError: If there is no such profile for the model; near matches are named.
        SpecError: If a file is wrong.
        UnknownModelError: If no model goes by that name.
    """
    if is_yaml(profile):
        return read(Path(str(profile)), Profile)
    spec = MODELS.resolve(model)
    name = spec.name if spec else str(model)
    found = next((one for one in published() if name in one.models), None)
    if profile == PLAIN or (profile is None and found is None):
        return _plain(name, spec)
    if profile not in (None, PUBLISHED):
        raise InputError(
            f"profile must be {PUBLISHED}, {PLAIN} or a .yaml file, not {brief(str(profile))}"
            f"{_meant(str(profile))}"
        )
    if found is None:
        known = sorted({model for one in published() for model in one.models})
        raise InputError(
            f"nothing is known of how {brief(name)} was evaluated for its published scores, "
            f"{did_you_mean(name, known)}as it is of {', '.join(known)}: use profile {PLAIN}, or a .yaml file"
        )
    return found


def published() -> list[Profile]:
    """The profiles that are shipped, in the order of their names."""
    return [read(configs_directory() / FOLDER / f"{name}.yaml", Profile) for name in names(FOLDER)]


def spec_for(profile: Profile, spec: ModelSpec) -> ModelSpec:
    """A model's spec with the profile's template, boundary, maximum length and padding side.

    Raises:
        InputError: If the model has no such template, or reads fewer tokens.
    """
    changes: dict[str, Any] = {
        name: value
        for name in ("boundary", "max_length", "padding_side")
        if (value := getattr(profile, name)) is not None
    }
    if changes.get("max_length", 0) > spec.max_length:
        raise InputError(
            f"the profile {profile.name} reads {profile.max_length} tokens, and {spec.name} at most "
            f"{spec.max_length}"
        )
    if profile.template is not None:
        if profile.template not in spec.templates:
            known = ", ".join(spec.templates) or "none"
            raise InputError(
                f"the profile {profile.name} has the template {profile.template!r}, and {spec.name} has not: "
                f"{did_you_mean(profile.template, spec.templates)}it has {known}"
            )
        changes["template"] = spec.templates[profile.template]
    return validated(ModelSpec, {**dict(spec), **changes}, profile.name)


def table_of(profile: Profile) -> instructions.Table | None:
    """The authors' instructions; None where the profile has none.

    Raises:
        InputError: If there is no such table.
    """
    return instructions.load_table(profile.table) if profile.table is not None else None


def profile_of_reranker(name: str) -> Profile | None:
    """The profile whose instructions a reranker's authors ran it with; None: not known."""
    return next((one for one in published() if name in one.rerankers), None)


def load_settings(profile: Profile, device: str) -> dict[str, Any]:
    """Arguments for ``Encoder``, as near to the profile as a device comes.

    A processor computes half precision slowly or not at all, and has no flash attention: it chooses itself.

    Args:
        profile: The profile.
        device: ``cpu``, ``cuda``, ...
    """
    on_gpu = device.startswith("cuda")
    wanted = profile.attention_implementation
    settings: dict[str, Any] = {"dtype": profile.dtype} if profile.dtype and on_gpu else {}
    if wanted is not None and (wanted != "flash_attention_2" or (on_gpu and _has_flash_attention())):
        settings["model_kwargs"] = {"attn_implementation": wanted}
    return settings


def differences(
    profile: Profile,
    runtime: Mapping[str, str],
    *,
    attention: str | None = None,
    max_length: int | None = None,
) -> list[str]:
    """What this run does otherwise than the profile says, in sentences for people.

    Args:
        profile: What was asked for.
        runtime: An encoder's ``runtime``: ``backend``, ``dtype``, ``device``, and ``weights`` if rounded.
        attention: What computes the attention, by transformers' name; None: not known.
        max_length: Tokens that the encoder reads; None: not known.
    """
    told, device = [], runtime.get("device", "this machine")
    if profile.dtype is not None and runtime.get("dtype") != profile.dtype:
        told.append(f"computed in {runtime.get('dtype')} on {device}, published in {profile.dtype}")
    wanted = profile.attention_implementation
    if wanted is not None and attention != wanted:
        why = ""
        if wanted == "flash_attention_2" and not _has_flash_attention():
            why = ", which is not installed"
        told.append(f"attention by {attention or 'an unknown implementation'}, published with {wanted}{why}")
    if profile.max_length is not None and max_length not in (None, profile.max_length):
        told.append(f"{max_length:,} tokens of a text are read, published with {profile.max_length:,}")
    if profile.kind == PUBLISHED and runtime.get("backend", "torch") != "torch":
        told.append(f"computed by {runtime['backend']}, published with torch")
    if profile.kind == PUBLISHED and "weights" in runtime:
        told.append(f"weights are rounded to {runtime['weights']}, published with the checkpoint's own")
    here = _version("mteb")
    if profile.mteb is not None and here != profile.mteb:
        told.append(f"run by mteb {here or '(not installed)'}, published with mteb {profile.mteb}")
    return told


def _plain(name: str, spec: ModelSpec | None) -> Profile:
    """What ``Encoder`` does; sides alike are queries where documents have a prompt of their own."""
    has_prompt = spec is not None and bool(spec.prompts.document)
    return Profile(
        name=PLAIN,
        kind="plain",
        models=(name,),
        source="the model's own prompts, as Encoder puts them before texts",
        sides_alike="query" if has_prompt else "document",
    )


def _meant(profile: str) -> str:
    meant = did_you_mean(profile, (PUBLISHED, PLAIN)).rstrip()
    return f": {meant}" if meant else ""


def _has_flash_attention() -> bool:
    return importlib.util.find_spec("flash_attn") is not None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
