"""A part of a key-value store: LlamaIndex's embedding cache keys vectors by text alone."""

from __future__ import annotations

from typing import Any

from llama_index.core.storage.kvstore.types import DEFAULT_COLLECTION, BaseKVStore

from youtu_st.protocol import Role, digest


class CachePart(BaseKVStore):
    """Another store, in collections of its own: to the name of each, ``name`` is added."""

    def __init__(self, store: BaseKVStore, name: str) -> None:
        self._store = store
        self._name = name

    def put(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        self._store.put(key, val, collection=self._part(collection))

    async def aput(self, key: str, val: dict[str, Any], collection: str = DEFAULT_COLLECTION) -> None:
        await self._store.aput(key, val, collection=self._part(collection))

    def get(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        return self._store.get(key, collection=self._part(collection))

    async def aget(self, key: str, collection: str = DEFAULT_COLLECTION) -> dict[str, Any] | None:
        return await self._store.aget(key, collection=self._part(collection))

    def get_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        return self._store.get_all(collection=self._part(collection))

    async def aget_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, dict[str, Any]]:
        return await self._store.aget_all(collection=self._part(collection))

    def delete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        return self._store.delete(key, collection=self._part(collection))

    async def adelete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        return await self._store.adelete(key, collection=self._part(collection))

    def _part(self, collection: str) -> str:
        return f"{collection}_{self._name}"


def part_name(fingerprint: str, role: Role, instruction: str | None) -> str:
    """What the part for the vectors of one encoder, role and instruction is called."""
    meaning = f"{fingerprint}\0{instruction!r}"
    return f"{role}_{digest(meaning.encode())}"
