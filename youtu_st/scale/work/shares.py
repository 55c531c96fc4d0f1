"""What an encoder has counted over a block, among the shards that the block's texts are of."""

from __future__ import annotations

from collections.abc import Sequence

from youtu_st.scale.work.encoding import Asked, Counts


def shares(asked: Asked, parts: Sequence[list[str]], done: Counts) -> list[Counts]:
    """The counts of each part; together they are those of the block.

    Texts that were cut are counted once more, by their tokens, where some were and a block is of two shards;
    of an engine, which does not tell which they were, they are taken to be the longest. Tokens are shared out
    by characters.

    Args:
        asked: The encoder.
        parts: The texts of each.
        done: What was counted over all of them.
    """
    if len(parts) == 1:
        return [done]
    sizes = [sum(map(len, texts)) for texts in parts]
    tokens = [done.tokens * size // max(sum(sizes), 1) for size in sizes[:-1]]
    cut = _cut(asked, parts, done.cut)
    tokens.append(done.tokens - sum(tokens))
    return [Counts(*pair) for pair in zip(tokens, cut, strict=True)]


def _cut(asked: Asked, parts: Sequence[list[str]], cut: int) -> list[int]:
    if cut in (0, sum(map(len, parts))):
        return [len(texts) if cut else 0 for texts in parts]
    counted = [asked.cut_among(texts) for texts in parts[:-1]]
    if None not in counted:
        known = [number or 0 for number in counted]
        return [*known, cut - sum(known)]
    order = sorted(((len(text), -i) for i, texts in enumerate(parts) for text in texts), reverse=True)
    owners = [-place for _, place in order[:cut]]
    return [owners.count(i) for i in range(len(parts))]
