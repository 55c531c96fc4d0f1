"""The network as OpenVINO runs it, in the place of the transformers module; mask and pooling stay."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from youtu_st.backends.forks import Lock, after_fork, leave_to_parent
from youtu_st.backends.packages import package
from youtu_st.errors import ModelLoadError

GRAPH = "model.xml"
DTYPES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}
_CAPABILITIES = {torch.bfloat16: "BF16", torch.float16: "FP16"}


@cache
def native_dtypes() -> tuple[torch.dtype, ...]:
    """The dtypes that OpenVINO computes natively on this CPU; float32 is always the first."""
    offered = package("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return torch.float32, *(dtype for dtype, name in _CAPABILITIES.items() if name in offered)


def dtype_for(asked: str, stored: torch.dtype | None = None) -> torch.dtype:
    """What to compute in.

    Args:
        asked: ``auto``, ``checkpoint``, or a dtype's name.
        stored: The checkpoint's own dtype.

    Raises:
        ModelLoadError: If OpenVINO does not compute that natively here: it would run float32 and not say so.
    """
    named = asked not in ("auto", "checkpoint")
    wanted: torch.dtype = getattr(torch, asked) if named else stored or torch.float32
    if wanted in native_dtypes():
        return wanted
    if asked == "auto":
        return torch.float32
    natively = ", ".join(str(dtype).removeprefix("torch.") for dtype in native_dtypes())
    raise ModelLoadError(
        f"dtype {str(wanted).removeprefix('torch.')}: OpenVINO computes {natively} natively on this CPU; "
        "use dtype='float32' or dtype='auto'"
    )


class Graph:
    """A converted network on disk, compiled once for each dtype that it is asked for.

    Copies share it, and its pickle is its directory: weights are there once.

    Args:
        directory: Holds ``model.xml`` and ``model.bin``.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._compiled: dict[torch.dtype, Any] = {}
        # One call at a time: more would only share the same cores, and need more memory.
        self._lock = Lock()
        after_fork(self._let_go)

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Graph, (self.directory,)

    def _let_go(self) -> None:
        leave_to_parent(*self._compiled.values())

    def compile(self, dtype: torch.dtype) -> Any:
        """The network, compiled for a dtype; at most once.

        Raises:
            ModelLoadError: If OpenVINO does not compute that dtype natively here, or cannot read the graph.
        """
        with self._lock.now:
            return self._compile(dtype)

    def _compile(self, dtype: torch.dtype) -> Any:
        if self._lock.torn:  # a thread of the parent was running it at the fork: here it is busy for good
            self._compiled, self._lock.torn = {}, False
        if dtype not in self._compiled:
            dtype_for(str(dtype).removeprefix("torch."))
            # Left alone, it takes bfloat16 where the CPU has it, and int8 activations beside int8 weights.
            settings = {
                "INFERENCE_PRECISION_HINT": DTYPES[dtype],
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            }
            core = package("openvino").Core()
            try:
                self._compiled[dtype] = core.compile_model(self.directory / GRAPH, "CPU", settings)
            except RuntimeError as error:
                reason = " ".join(str(error).split())[:200]
                raise ModelLoadError(f"OpenVINO cannot run {self.directory / GRAPH}: {reason}") from error
        return self._compiled[dtype]

    def run(self, features: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        """Hidden states ``(batch, tokens, dim)``, float32: memory of the caller's own.

        Args:
            features: ``input_ids``, ``attention_mask`` and ``token_type_ids``, each ``(batch, tokens)``; what
                the network does not read is left out.
            dtype: What to compute in.
        """
        with self._lock.now:
            compiled = self._compile(dtype)
            names = [port.get_any_name() for port in compiled.inputs]
            return torch.from_numpy(compiled({name: features[name].numpy() for name in names})[0])


class OpenVINONetwork(torch.nn.Module):
    """Stands where the transformers module stood: token ids in, hidden states out.

    Its one parameter has no values, only a dtype, which is what the graph computes in: so ``.float()`` and
    ``.to(torch.bfloat16)`` mean what they mean for any other module.

    Args:
        graph: The converted network.
        config: The configuration of the transformers module.
        dtype: What to compute in.
        weights: ``int8`` where the graph's weights are.
    """

    backend = "openvino"

    def __init__(self, graph: Graph, config: Any, *, dtype: torch.dtype, weights: str | None = None) -> None:
        super().__init__()
        self.graph = graph
        self.config = config
        self.weights = weights
        self.precision = torch.nn.Parameter(torch.empty(0, dtype=dtype), requires_grad=False)

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in; hidden states are float32 all the same."""
        return self.precision.dtype

    @property
    def device(self) -> torch.device:
        """The CPU, unless it was moved to where OpenVINO is not offered."""
        return self.precision.device

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        **others: Any,
    ) -> BaseModelOutput:
        """Run the network; safe from many threads.

        Args:
            input_ids: Shape ``(batch, tokens)``, int64.
            attention_mask: Likewise; 0 where padded.
            token_type_ids: Likewise; None: zeros.
            **others: Options of the transformers module, such as ``return_dict``; ignored.

        Returns:
            ``last_hidden_state``, shape ``(batch, tokens, dim)``, float32.

        Raises:
            ModelLoadError: If it is not on the CPU, or ``others`` holds a tensor: the graph was converted
                without such an input.
        """
        unknown = sorted(name for name, value in others.items() if isinstance(value, Tensor))
        if unknown:
            raise ModelLoadError(f"backend 'openvino' takes no {', '.join(unknown)}: use backend='torch'")
        if input_ids.device.type != "cpu" or self.device.type != "cpu":
            raise ModelLoadError(f"backend 'openvino' runs on the cpu, not on {input_ids.device}")
        features = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids,
        }
        return BaseModelOutput(last_hidden_state=self.graph.run(features, self.dtype))

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """A converted network cannot be saved as a checkpoint.

        Raises:
            ModelLoadError: Always, with the remedy.
        """
        raise ModelLoadError(
            "a model loaded with backend='openvino' cannot be saved: load it with backend='torch' to save it"
        )

    def extra_repr(self) -> str:
        """Shown inside ``OpenVINONetwork(...)``."""
        return f"dtype={str(self.dtype).removeprefix('torch.')}, weights={self.weights}"
