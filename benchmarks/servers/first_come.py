"""A queue with the rules of text-embeddings-inference, in a few lines.

First come, first served. A batch is the oldest texts whose number times the longest one's tokens is at most
``max_batch_tokens``; one batch runs at a time. So many requests may wait, and one more is refused. Texts of
clients that have left are dropped.

    python -m servers.first_come PORT
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from sentence_transformers import SentenceTransformer

from servers.plain import Body, answer
from servers.texts import stock_directory

MAX_REQUESTS = 512
Entry = tuple[list[int], "asyncio.Future[Any]"]


def next_batch(entries: deque[Entry], max_batch_tokens: int) -> list[Entry]:
    """Take the oldest, as long as they fit when each is padded to the longest; at least one."""
    batch: list[Entry] = []
    longest = 0
    while entries:
        ids, future = entries[0]
        if future.cancelled():
            entries.popleft()
            continue
        longest = max(longest, len(ids))
        if batch and longest * (len(batch) + 1) > max_batch_tokens:
            break
        batch.append(entries.popleft())
    return batch


class Queue:
    """Texts that wait, as token ids.

    Args:
        model: Whose network and tokenizer.
        max_batch_tokens: Padded tokens of a batch.
    """

    def __init__(self, model: SentenceTransformer, max_batch_tokens: int) -> None:
        self._model, self._most = model, max_batch_tokens
        self._entries: deque[Entry] = deque()
        self._came = asyncio.Event()
        self._tokenizing, self._computing = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self.requests = 0

    async def put(self, texts: list[str]) -> list[asyncio.Future[Any]]:
        """Texts enter at the end, and get a future each."""
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(self._tokenizing, self._tokenize, texts)
        entries = [(ids, loop.create_future()) for ids in rows]
        self._entries.extend(entries)
        self._came.set()
        return [future for _, future in entries]

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        length = self._model.max_seq_length
        rows: list[list[int]] = self._model.tokenizer(texts, truncation=True, max_length=length)["input_ids"]
        return rows

    async def work(self) -> None:
        """Run one batch after the other, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await self._came.wait()
            batch = next_batch(self._entries, self._most)
            if not batch:
                self._came.clear()
                continue
            rows = await loop.run_in_executor(self._computing, self._encode, [ids for ids, _ in batch])
            for (_, future), row in zip(batch, rows, strict=True):
                if not future.cancelled():
                    future.set_result(row)

    def _encode(self, rows: list[list[int]]) -> Any:
        features = self._model.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        with torch.inference_mode():
            return self._model.forward(dict(features))["sentence_embedding"].numpy()


async def left(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def app(model: SentenceTransformer, max_batch_tokens: int) -> FastAPI:
    """The routes over a queue."""

    @asynccontextmanager
    async def running(made: FastAPI) -> AsyncIterator[None]:
        made.state.queue = Queue(model, max_batch_tokens)
        worker = asyncio.create_task(made.state.queue.work())
        yield
        worker.cancel()

    made = FastAPI(lifespan=running)

    @made.post("/v1/embeddings")
    async def embed(body: Body, request: Request) -> dict[str, Any]:
        queue: Queue = made.state.queue
        if queue.requests >= MAX_REQUESTS:
            raise HTTPException(429, "too many requests wait")
        queue.requests += 1
        gone = asyncio.create_task(left(request))
        try:
            futures = await queue.put([body.input] if isinstance(body.input, str) else body.input)
            rows = asyncio.gather(*futures)
            await asyncio.wait([rows, gone], return_when=asyncio.FIRST_COMPLETED)
            if not rows.done():
                rows.cancel()
                raise HTTPException(499)
            return answer(rows.result())
        finally:
            gone.cancel()
            queue.requests -= 1

    @made.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return made


if __name__ == "__main__":
    budget = min(max(1024 * torch.get_num_threads(), 2048), 16384)  # as Encoder's, for the same machine
    stock = SentenceTransformer(stock_directory(), device="cpu")
    uvicorn.run(app(stock, budget), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
