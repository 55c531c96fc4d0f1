"""Labels of a batch, made by hand, as the collator makes them from rows."""

from __future__ import annotations

import torch
from torch import Tensor

from youtu_st.training.objectives import contrastive


def group_labels(
    rows: int, positives: int, negatives: int, *, keys: Tensor | None = None, known: Tensor | None = None
) -> dict[str, Tensor]:
    """Labels of ``rows`` groups, laid out group by group, all texts different unless ``keys`` says so."""
    group = positives + negatives
    which = torch.arange(rows * group).view(rows, group)
    keys = which + 1000 if keys is None else keys
    queries = torch.arange(rows) + 1
    if known is None:
        known = torch.cat([queries[:, None], keys[:, :positives]], dim=1)
    return {
        contrastive.CANDIDATES: which,
        contrastive.CANDIDATE_KEYS: keys,
        contrastive.QUERY_KEYS: queries,
        contrastive.KNOWN: known,
        contrastive.POSITIVES: torch.tensor(positives),
    }
