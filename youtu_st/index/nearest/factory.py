"""FAISS factory strings: building the index they name, what it needs to be trained, how it is searched."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from youtu_st.errors import InputError
from youtu_st.index.nearest import layout
from youtu_st.index.nearest._faiss import faiss

EXAMPLES = '"Flat" (exact), "HNSW32", "IVF1024,Flat", "IVF1024,PQ32", "OPQ32,IVF1024,PQ32,RFlat"'
COMFORTABLE = 39
"""Points for each centroid below which FAISS warns that clusters are poor."""
_RANGE_SAMPLE = 1_000  # a scalar quantizer clips what lies beyond the values it was trained on
_LEAST_NPROBE = 8
_EF_SEARCH = 64
_REFINE_FACTOR = 4
# FAISS's parser recurses with the length of a string, and allocates what its numbers ask for.
_LONGEST, _PARTS, _NESTED = 128, 8, 2
_WORDS = re.compile(r"[A-Za-z0-9_,()+.-]*", re.ASCII)
_LARGEST, _LARGEST_SUM, _LINKS, _BITS, _WIDER = 1 << 20, 1 << 21, 1 << 10, 16, 8
_PARAMETER = re.compile(r"([A-Za-z_]{1,40})=([0-9]{1,8}(?:\.[0-9]{1,8})?)", re.ASCII)
_FURTHEST = 1 << 24
_MOST_REFINED = 1000  # FAISS reads no index that asks for more


def build(factory: str, dimension: int) -> Any:
    """An empty FAISS index for inner products of unit vectors.

    Raises:
        InputError: If FAISS does not know the string, or what it names cannot rank by cosine or grow.
    """
    _check_sane(factory)
    try:
        index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
        unknown = layout.unknown(faiss.serialize_index(index).tobytes())
    except (RuntimeError, MemoryError) as error:
        raise _bad(factory, f"FAISS cannot build it for dimension {dimension}", error) from error
    if isinstance(index, faiss.IndexIDMap) or unknown == "IxMp":
        raise _bad(factory, "leave IDMap out: the index keeps its own keys")
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise _bad(factory, "this kind of index does not rank by inner product")
    if isinstance(core(index), faiss.IndexNSG | faiss.IndexNNDescent):
        raise _bad(
            factory, "this kind of index takes all its vectors at once; HNSW32 is the graph that grows"
        )
    if isinstance(core(index), faiss.IndexIVFAdditiveQuantizerFastScan):
        raise _bad(factory, "FAISS cannot be told how far to search this kind of index; leave out fs")
    if any(_distorts(transform) for transform in transforms(index)):
        raise _bad(factory, "whitening (PCAW, ITQ) changes angles, so its scores would not be cosines")
    if any(transform.d_out > _WIDER * max(dimension, 128) for transform in transforms(index)):
        raise _bad(factory, f"it makes vectors of {dimension} numbers more than {_WIDER} times as long")
    if unknown:
        raise _bad(factory, f"a file with its {unknown!r} cannot be checked when it is opened")
    if index.is_trained:
        _try_out(index, factory, dimension)
    return index


def _check_sane(factory: str) -> None:
    if not isinstance(factory, str):
        shown = repr(factory)[:60]
        raise InputError(f"factory must be a FAISS factory string such as {EXAMPLES}, not {shown}")
    if len(factory) > _LONGEST or not _WORDS.fullmatch(factory):
        raise _bad(factory, f"it must be at most {_LONGEST} letters, digits and characters of _,()+.-")
    if factory.count(",") > _PARTS or factory.count("(") > _NESTED:
        raise _bad(factory, f"it has more than {_PARTS} commas, or {_NESTED} pairs of parentheses")
    numbers = [int(number) for number in re.findall("[0-9]+", factory)]
    if not all(1 <= number <= _LARGEST for number in numbers) or sum(numbers) > _LARGEST_SUM:
        raise _bad(factory, f"its numbers must be 1 to {_LARGEST}, and at most {_LARGEST_SUM} together")
    for what, pattern, most in (("links", "HNSW([0-9]+)", _LINKS), ("bits", "x([0-9]+)(?![0-9x])", _BITS)):
        if any(int(number) > most for number in re.findall(pattern, factory)):
            raise _bad(factory, f"it asks for more than {most} {what}")


def _try_out(index: Any, factory: str, dimension: int) -> None:
    try:
        index.add(np.eye(1, dimension, dtype=np.float32))
        _, labels = index.search(np.eye(1, dimension, dtype=np.float32), 1)
        index.reset()
    except RuntimeError as error:
        raise _bad(factory, "FAISS builds an index that cannot be searched", error) from error
    if labels[0, 0] != 0:
        raise _bad(factory, "FAISS builds an index that does not find its own vectors")


def _bad(factory: str, reason: str, error: Exception | None = None) -> InputError:
    shown = factory if len(factory) <= _LONGEST else f"{factory[:40]}…"
    detail = f" ({said(error)})" if error else ""
    return InputError(f"factory string {shown!r} cannot be used: {reason}{detail}; examples: {EXAMPLES}")


def said(error: Exception) -> str:
    """FAISS's own reason, in one line; the signature and line of the function that failed stand before it."""
    return " ".join(re.split(r"[.]cpp:[0-9]+: (?:Error: )?", str(error))[-1].split())[:200]


def transforms(index: Any) -> list[Any]:
    """What an index does to vectors before it takes them."""
    if not isinstance(index, faiss.IndexPreTransform):
        return []
    return [faiss.downcast_VectorTransform(index.chain.at(i)) for i in range(index.chain.size())]


def _distorts(transform: Any) -> bool:
    whitens = isinstance(transform, faiss.PCAMatrix) and transform.eigen_power != 0
    return whitens or isinstance(transform, faiss.ITQTransform | faiss.ITQMatrix)


def core(index: Any) -> Any:
    """The index inside transforms and refinements: the one that holds the structure."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return core(index.index)
    if isinstance(index, faiss.IndexRefine):
        return core(index.base_index)
    return index


def inverted(index: Any) -> Any | None:
    """The inverted file inside an index, if there is one."""
    inner = core(index)
    return inner if isinstance(inner, faiss.IndexIVF) else None


def may_miss_lists(index: Any) -> bool:
    """Whether a search of all lists of an inverted file may still leave some out.

    Only lists that are found exactly all are: a graph has no way to some, however far it is walked.
    """
    ivf = inverted(index)
    return ivf is not None and not isinstance(faiss.downcast_index(ivf.quantizer), faiss.IndexFlat)


def keeps_whole_vectors(index: Any) -> bool:
    """Whether ``reconstruct`` gives back the very float32 vectors that were added."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        return keeps_whole_vectors(index.refine_index)
    if isinstance(index, faiss.IndexHNSW):
        return keeps_whole_vectors(index.storage)
    return type(index) in (faiss.IndexFlat, faiss.IndexFlatIP, faiss.IndexIVFFlat)


def training_minimum(index: Any, per_centroid: int = 1) -> int:
    """How many vectors training takes, found by looking into the built index.

    Args:
        index: An untrained index.
        per_centroid: 1 for the least that FAISS accepts, ``COMFORTABLE`` for good clusters.
    """
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        needs = [_transform_minimum(transform, per_centroid) for transform in transforms(index)]
        return max([*needs, training_minimum(index.index, per_centroid)])
    if isinstance(index, faiss.IndexRefine):
        parts = (index.base_index, index.refine_index)
        return max(training_minimum(part, per_centroid) for part in parts)
    if isinstance(index, faiss.IndexHNSW):
        return training_minimum(index.storage, per_centroid)
    if index.is_trained:
        return 0
    needs = [per_centroid * _codebook(index)]
    if isinstance(index, faiss.IndexIVF):
        needs.append(per_centroid * int(index.nlist))
    if hasattr(index, "sq") and per_centroid > 1:
        needs.append(_RANGE_SAMPLE)
    return max(needs)


def _codebook(index: Any) -> int:
    """Centroids of the largest codebook of an index; 1 where it learns ranges and not centroids."""
    sizes = [1]
    if hasattr(index, "pq"):
        sizes.append(1 << int(index.pq.nbits))
    for name in ("rq", "lsq", "prq", "plsq", "aq"):
        if hasattr(index, name):
            bits = getattr(index, name).nbits
            sizes.extend(1 << int(bits.at(i)) for i in range(bits.size()))
    return max(sizes)


def _transform_minimum(transform: Any, per_centroid: int) -> int:
    if transform.is_trained:
        return 0
    if isinstance(transform, faiss.OPQMatrix):
        return max(int(transform.d_in), 256 * per_centroid)
    return int(transform.d_in) * min(per_centroid, 2)


def mend(index: Any) -> None:
    """Set a pointer that FAISS leaves empty when it reads a fast-scan inverted file, and then follows."""
    inner = core(index)
    if getattr(inner, "fine_quantizer", inner) is None:
        for name in ("pq", "aq"):
            if hasattr(inner, name):
                inner.fine_quantizer = getattr(inner, name)


def quiet(index: Any) -> None:
    """Keep FAISS from printing about few points a centroid: ``training_minimum`` has seen to that."""
    ivf = inverted(index)
    if ivf is not None:
        ivf.cp.min_points_per_centroid = 1
        quiet(ivf.quantizer)
    if hasattr(core(index), "pq"):
        core(index).pq.cp.min_points_per_centroid = 1


def tune(index: Any, search_parameters: str | None) -> None:
    """Set how hard an index searches: sane defaults, then the caller's own.

    Raises:
        InputError: If FAISS does not take the parameters.
    """
    whole = faiss.downcast_index(index)
    if isinstance(whole, faiss.IndexPreTransform):
        whole = faiss.downcast_index(whole.index)
    if isinstance(whole, faiss.IndexRefine):
        whole.k_factor = _REFINE_FACTOR
    inner = core(index)
    if isinstance(inner, faiss.IndexIVF):
        inner.nprobe = min(int(inner.nlist), max(_LEAST_NPROBE, math.ceil(math.sqrt(inner.nlist))))
        tune(inner.quantizer, None)
    elif isinstance(inner, faiss.IndexHNSW):
        inner.hnsw.efSearch = _EF_SEARCH
    if not search_parameters:
        return
    shown = repr(search_parameters)[:80]
    try:
        _check_parameters(search_parameters)
        faiss.ParameterSpace().set_index_parameters(index, search_parameters)
    except (RuntimeError, TypeError) as error:
        raise InputError(
            'search_parameters must be what FAISS takes for this index, such as "nprobe=64" for IVF, '
            f'"efSearch=128" for HNSW, "k_factor_rf=8" for a refined index, not {shown}'
        ) from error


def _check_parameters(parameters: str) -> None:
    # FAISS casts any number to what it needs, and copies a name of any length.
    for parameter in re.split("[ ,]+", parameters[: 2 * _LONGEST]):
        match = _PARAMETER.fullmatch(parameter)
        most = _MOST_REFINED if parameter.startswith("k_factor") else _FURTHEST
        least = 0 if parameter.startswith(("ht=", "max_codes=", "verbose=")) else 1
        if not match or not least <= float(match[2]) <= most or len(parameters) > 2 * _LONGEST:
            raise RuntimeError(parameter)


def takes_selector(index: Any) -> bool:
    """Whether FAISS can confine a search of this index to some positions."""
    inner = core(index)
    takes = faiss.IndexFlat | faiss.IndexScalarQuantizer | faiss.IndexIVF | faiss.IndexHNSW
    return isinstance(inner, takes) and not isinstance(inner, faiss.IndexIVFAdditiveQuantizer)


def search_parameters(index: Any, k: int, selector: Any, share: float, *, everything: bool) -> Any | None:
    """FAISS search parameters, nested as the index is.

    Args:
        index: The index to search.
        k: Number of results.
        selector: A FAISS selector over positions, or None.
        share: The part of the vectors that the selector lets through.
        everything: Visit every list of an inverted file.
    """
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        inner = search_parameters(index.index, k, selector, share, everything=everything)
        return None if inner is None else faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexRefine):
        wide = math.ceil(k * index.k_factor)
        inner = search_parameters(index.base_index, wide, selector, share, everything=everything)
        if inner is None:
            return None
        return faiss.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=inner)
    if isinstance(index, faiss.IndexIVF):
        nprobe = int(index.nlist) if everything else int(index.nprobe)
        # What finds the lists has to look at least as far as the search does: by itself, a graph walks less.
        lists = search_parameters(index.quantizer, nprobe, None, 1.0, everything=True)
        return faiss.SearchParametersIVF(sel=selector, nprobe=nprobe, quantizer_params=lists)
    if isinstance(index, faiss.IndexHNSW):
        # A graph walk meets few vectors that a narrow selector lets through, so it has to walk further.
        breadth = max(int(index.hnsw.efSearch), 2 * k) / max(share, 1e-9)
        return faiss.SearchParametersHNSW(
            sel=selector, efSearch=math.ceil(min(breadth, max(index.ntotal, 2 * k)))
        )
    return None if selector is None else faiss.SearchParameters(sel=selector)
