"""Clients that want much at once, and some that ask questions beside them: a process of its own.

python -m serving.greedy_clients URL SECONDS
"""

from __future__ import annotations

import asyncio
import sys
import time

from serving.raw_clients import Connection, post

TEXTS = 2048
BODY = [f"text {i} of a body that is read whole, " + "word by word, " * 70 for i in range(TEXTS)]
"""Two megabytes, of which few tokens are read."""
GREEDY = [
    {"input": ["the same"] * TEXTS},
    {"input": ["the same"] * TEXTS, "encoding_format": "base64"},
    {"input": BODY, "truncate": True, "encoding_format": "base64"},
]


async def main(url: str, seconds: float) -> None:
    """Print how many requests of each kind were answered."""
    end, answered = time.monotonic() + seconds, [0] * 5

    async def ask(kind: int) -> None:
        connection = Connection(url)
        fields = {**GREEDY[kind]} if kind < len(GREEDY) else {"input": f"a question of {kind}"}
        request = post({**fields, "model": "wide"})
        while time.monotonic() < end:
            answer = await connection.ask(request)
            assert answer.status == 200, answer.body
            answered[kind] += 1
        connection.close()

    await asyncio.gather(*map(ask, range(5)))
    print(*answered)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
