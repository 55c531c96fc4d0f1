"""LangChain's own suites for embeddings, as they come."""

from __future__ import annotations

from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_youtu import YoutuEmbeddings


class TestYoutuEmbeddingsUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self):
        return YoutuEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": "minilm"}


class TestYoutuEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return YoutuEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": "minilm"}
