"""Text to tokens that know whether they count, and tokens through the network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from sentence_transformers.base.modules import Transformer
from torch import Tensor
from transformers import PreTrainedModel

from youtu_st.errors import InputError, SpecError
from youtu_st.modules import packing, prefix, tokenization
from youtu_st.modules.literal import LiteralTokenizer
from youtu_st.modules.mask import CONTENT_MASK
from youtu_st.modules.readers import reader_for
from youtu_st.modules.texts import Texts
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.spec.model import FORMER, ModuleSettings, PaddingSide
from youtu_st.spec.registry import validated

SHARED_PREFIX = "shared_prefix"
_TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}


class InstructionTransformer(Transformer):
    """A sentence-transformers ``Transformer`` that marks, for each text, which tokens are content.

    The instruction is tokenised together with its text and seen by the network; ``content_mask``, a
    feature of its own, says which tokens the pooling may count. ``attention_mask`` is never changed.

    Args:
        model_name_or_path: A transformers checkpoint: directory or hub id.
        **kwargs: Fields of :class:`~youtu_st.spec.model.ModuleSettings`, each an attribute that may be set;
            all else as for ``Transformer``.

    Raises:
        SpecError: If a field is not what it may be, or ``boundary="offsets"`` and the tokenizer cannot report
            offsets.
    """

    __module__ = "youtu_st.modules"  # the name that saved models carry, wherever the class stands

    config_keys: list[str] = [*Transformer.config_keys, *ModuleSettings.model_fields]
    _settings = ModuleSettings()  # as of the last look; checking them anew takes longer than looking
    _literal: LiteralTokenizer | None = None

    def __init__(self, model_name_or_path: str, **kwargs: Any) -> None:
        fields = {name: kwargs.pop(name) for name in (*ModuleSettings.model_fields, FORMER) if name in kwargs}
        settings = validated(ModuleSettings, fields, model_name_or_path)
        # Text only: for a tokenizer with a chat template the host would offer conversations as well.
        # Padded: the mask is laid out row by row.
        text_only = {
            "modality_config": _TEXT_ONLY,
            "module_output_name": "token_embeddings",
            "unpad_inputs": False,
        }
        super().__init__(model_name_or_path, **{**kwargs, **text_only})
        tokenizer: Any = self.tokenizer
        if settings.boundary == "offsets" and not tokenizer.is_fast:
            raise SpecError(
                f"boundary 'offsets' needs a fast tokenizer, and {type(tokenizer).__name__} is not one; "
                "use boundary 'token_count' or 'prompt_length'"
            )
        for name, value in settings:
            setattr(self, name, value)
        self._settings = settings.model_copy(update={"padding_side": self.padding_side})
        if settings.attention is not None:
            self.model.config.is_causal = settings.attention == "causal"
        if type(self.model).__module__.startswith("transformers."):
            # The checkpoint's own code does not run, and is not saved: nor may what is saved name it.
            vars(self.model.config).pop("auto_map", None)
        tokenization.prepare(tokenizer)

    @property
    def settings(self) -> ModuleSettings:
        """What the module's attributes say now.

        Raises:
            SpecError: If one of them was set to what it may not be.
        """
        fields = {name: getattr(self, name) for name in ModuleSettings.model_fields}
        if fields != dict(self._settings):
            self._settings = validated(ModuleSettings, fields, type(self).__name__)
        return self._settings

    @property
    def padding_side(self) -> PaddingSide:
        """Side that short rows of a batch are padded on: the tokenizer's. Setting None leaves it as it is."""
        tokenizer: Any = self.tokenizer
        return "left" if tokenizer.padding_side == "left" else "right"

    @padding_side.setter
    def padding_side(self, side: PaddingSide | None) -> None:
        tokenizer: Any = self.tokenizer
        tokenizer.padding_side = side or tokenizer.padding_side

    @property
    def reader(self) -> Any:
        """What reads ``prompt + text``: the tokenizer, or under ``split_special_tokens`` its literal copy.

        Raises:
            InputError: If the tokenizer is not one that special tokens can be split with.
        """
        if not self.settings.split_special_tokens:
            return self.tokenizer
        # Made anew for another tokenizer, and by two threads at once twice: either copy will do.
        literal = self._literal
        if literal is None or not literal.is_of(self.tokenizer):
            literal = self._literal = LiteralTokenizer(self.tokenizer, self._around_texts)
        return literal

    @property
    def _around_texts(self) -> str:
        """What the model itself writes around texts, where that is more than a prompt."""
        return ""

    @property
    def texts(self) -> Texts:
        """What makes batches of texts, as the module's attributes say now."""
        return Texts(**self._about_texts())

    def _about_texts(self) -> dict[str, Any]:
        """What :class:`Texts` is made of."""
        return {
            "settings": self.settings,
            "reader": reader_for(self.reader),
            "max_length": self.max_seq_length,
            "padding_side": self.padding_side,
            "counts_positions": self._counts_positions_from_the_left,
        }

    def marked(self, prompts: Sequence[str]) -> list[str]:
        """Prompts as :attr:`reader` takes them: their own special tokens are special to it."""
        return self.texts.marked(prompts)

    def tokenize_texts(
        self,
        texts: Sequence[str],
        prompts: str | Sequence[str] | None = None,
        *,
        max_length: int | None = None,
    ) -> list[TokenizedText]:
        """Tokenise each ``prompt + text`` once, mark its content, and cut it to the maximum length.

        Args:
            texts: What to tokenise; never altered.
            prompts: One prompt for all texts, or one per text.
            max_length: Tokens to keep; None: the model's maximum.

        Returns:
            One :class:`~youtu_st.modules.tokenization.TokenizedText` per text, in order.
        """
        return self.texts.tokenize_texts(texts, prompts, max_length=max_length)

    def collate(self, rows: Sequence[TokenizedText]) -> dict[str, Any]:
        """Pad tokenised texts to one batch, on the model's padding side.

        Networks with a learned table of absolute positions are padded on the right whatever the side: padding
        on the left would shift their texts. So are rows that begin with the same tokens, where the network
        is to compute these once.

        Returns:
            ``input_ids``, ``attention_mask`` and ``content_mask`` (and ``token_type_ids`` where the tokenizer
            gives them), int64 tensors of shape ``(len(rows), longest)``; ``modality``; ``shared_prefix``, the
            number of tokens to compute once, an int, where there are any (see the module ``prefix``).
        """
        reuse = not self.training and rows[0].type_ids is None and self.reuses_prefixes
        shared = prefix.shared([row.ids for row in rows]) if reuse else 0
        columns = self.texts.collate(rows, side="right" if shared else None)
        features = {name: torch.from_numpy(column) for name, column in columns.items()}
        return {**features, "modality": "text", **({SHARED_PREFIX: shared} if shared else {})}

    @property
    def reuses_prefixes(self) -> bool:
        """Whether rows that begin with the same tokens have these computed once: a causal network's."""
        return self.settings.attention == "causal" and self._computes_shared_tokens_once

    @cached_property
    def _computes_shared_tokens_once(self) -> bool:
        return prefix.reuses(self.model)

    @cached_property
    def _counts_positions_from_the_left(self) -> bool:
        """Whether a learned table of absolute positions would see left padding as a shift of the text."""
        return packing.position_table(self.model) is not None

    def preprocess(
        self,
        inputs: Sequence[Any],
        prompt: str | Sequence[str] | None = None,
        processing_kwargs: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Tokenise and pad a batch: what ``SentenceTransformer.encode`` and the trainer call.

        Args:
            inputs: Texts.
            prompt: Put before every text; or, beyond the stock class, one prompt per text.
            processing_kwargs: ``{"text": {"max_length": n}}`` shortens this call's texts.
            **kwargs: ``max_length`` (the trainer's) likewise; ``task`` is not needed here.

        Raises:
            InputError: If an input is not a str, or ``processing_kwargs`` asks for anything else.
        """
        if not inputs:
            return {}
        for position, text in enumerate(inputs):
            if not isinstance(text, str):
                raise InputError(f"input {position} must be a str, not {type(text).__name__}")
        text_kwargs = dict((processing_kwargs or {}).get("text") or {})
        max_length = text_kwargs.pop("max_length", None) or kwargs.get("max_length")
        if text_kwargs:
            raise InputError(
                f"processing_kwargs['text'] takes 'max_length' only here, not {sorted(text_kwargs)}"
            )
        return self.collate(self.tokenize_texts(inputs, prompt, max_length=max_length))

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Run the network; ``token_embeddings`` joins the features, which are not modified.

        Rows that begin with the same tokens have these computed once, and flash attention gets its tokens
        without padding; either way ``token_embeddings`` has the shape of the padded batch.
        """
        # Networks that take **kwargs would be handed the mask as well.
        bookkeeping = (CONTENT_MASK, SHARED_PREFIX)
        inputs = {name: value for name, value in features.items() if name not in bookkeeping}
        tokens = None
        # What else than the last layer's states is asked for comes from the host's own way.
        if not kwargs and not getattr(self.model.config, "output_hidden_states", False):
            if packing.packs(self.model):
                tokens = self._unpadded(inputs)
            # After flash attention: it takes no mask by which the rows of a line could share a prefix.
            elif SHARED_PREFIX in features and self._may_reuse(inputs["input_ids"].device):
                tokens = prefix.states(
                    self.model, inputs["input_ids"], inputs["attention_mask"], features[SHARED_PREFIX]
                )
        if tokens is not None:
            return {**features, "token_embeddings": tokens}
        return {**features, **super().forward(inputs, **kwargs)}

    def _unpadded(self, inputs: dict[str, Any]) -> Tensor:
        packed = packing.Packing(inputs["attention_mask"].bool())
        line = packing.pack_features(inputs, packed, packing.first_position(self.model))
        return packed.unpack(super().forward(line)["token_embeddings"])

    def _may_reuse(self, device: torch.device) -> bool:
        """Whether this call may go through :func:`prefix.states`: no gradient, the network's own dtype."""
        exact = not (self.training or torch.is_grad_enabled() or torch.is_autocast_enabled(device.type))
        causal = getattr(self.model.config, "is_causal", True)  # may have been changed since
        return exact and causal and isinstance(self.model, PreTrainedModel)
