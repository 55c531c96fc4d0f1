"""LangChain's own tests for vector stores, all of them, as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from langchain_youtu import YoutuVectorStore


class TestStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[VectorStore]:
        with YoutuVectorStore.create(tmp_path / "index", embedding=self.get_embeddings()) as store:
            yield store
