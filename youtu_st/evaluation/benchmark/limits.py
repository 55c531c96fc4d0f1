"""A look at a task: a sample of its texts, whose scores are partial."""

from __future__ import annotations

from typing import Any

SEED = 42


def limit(task: Any, most: int) -> None:
    """Cut a task's loaded data to a sample: the same one each time.

    Of retrieval, ``most`` queries stay, and the documents that are judged for them with ``most`` more; of
    everything else ``most`` rows of each split that is measured. What it is trained on stays whole.

    Args:
        task: mteb's, loaded.
        most: Rows or queries of each split and subset.
    """
    convert = getattr(task, "convert_v1_dataset_format_to_v2", None)
    if convert is not None:
        convert(num_proc=None)
    nested = task.hf_subsets != ["default"] or "default" in task.dataset
    for part in task.dataset.values() if nested else [task.dataset]:
        for split in [split for split in task.eval_splits if split in part]:
            part[split] = (
                _retrieval(part[split], most) if _is_retrieval(part[split]) else _rows(part[split], most)
            )


def _is_retrieval(data: Any) -> bool:
    return isinstance(data, dict) and "corpus" in data


def _rows(data: Any, most: int) -> Any:
    return data if len(data) <= most else data.shuffle(seed=SEED).select(range(most))


def _retrieval(data: Any, most: int) -> dict[str, Any]:
    asked = [query for query in data["queries"]["id"] if data["relevant_docs"].get(query)]
    kept = set(asked[:most])
    qrels = {query: judged for query, judged in data["relevant_docs"].items() if query in kept}
    ranked = data["top_ranked"] and {q: found for q, found in data["top_ranked"].items() if q in kept}
    wanted = {document for judged in qrels.values() for document in judged}
    wanted |= {document for found in (ranked or {}).values() for document in found}
    ids = data["corpus"]["id"]
    others = [i for i, key in enumerate(ids) if key not in wanted][:most]
    documents = sorted([*(i for i, key in enumerate(ids) if key in wanted), *others])
    queries = [i for i, key in enumerate(data["queries"]["id"]) if key in kept]
    return {
        **data,
        "corpus": data["corpus"].select(documents),
        "queries": data["queries"].select(queries),
        "relevant_docs": qrels,
        "top_ranked": ranked,
    }
