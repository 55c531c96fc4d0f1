"""Random sequences of add, replace, delete and reopen: every node is found under its own vector, and no other."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery
from tiny import TinyEncoder

from llama_index.vector_stores.youtu import YoutuVectorStore

ENCODER = TinyEncoder()
IDS = st.lists(st.integers(0, 12).map(str), max_size=5)
DOCUMENTS = st.sampled_from(["x.md", "y.md", "文.md"])


def of_group(group: int) -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key="group", value=group)])


class Machine(RuleBasedStateMachine):
    """A dictionary of the nodes that should be there is the oracle."""

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.truth: dict[str, TextNode] = {}
        self.texts = 0
        self.store = YoutuVectorStore.create(self.folder / "index", ENCODER)

    @rule(ids=IDS, document=DOCUMENTS, data=st.data())
    def add(self, ids: list[str], document: str, data: Any) -> None:
        nodes = []
        for id in ids:
            self.texts += 1  # no text comes twice, so that a vector has one owner
            text = f"text {self.texts} of {id}"
            row = ENCODER.encode_document([text])[0].tolist() if data.draw(st.booleans()) else None
            metadata = {"group": data.draw(st.integers(0, 2))}
            source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)}
            node = TextNode(id_=id, text=text, embedding=row, metadata=metadata, relationships=source)
            node.excluded_embed_metadata_keys = ["group"]
            nodes.append(node)
            self.truth.pop(id, None)
            self.truth[id] = node
        assert self.store.add(nodes) == ids

    @rule(document=DOCUMENTS)
    def delete(self, document: str) -> None:
        self.store.delete(document)
        self.truth = {id: node for id, node in self.truth.items() if node.ref_doc_id != document}

    @rule(ids=st.none() | IDS, group=st.none() | st.integers(0, 2))
    def delete_nodes(self, ids: list[str] | None, group: int | None) -> None:
        if ids is None and group is None:
            return
        self.store.delete_nodes(ids, None if group is None else of_group(group))
        for id in list(self.truth) if ids is None else ids:
            if id in self.truth and group in (None, self.truth[id].metadata["group"]):
                del self.truth[id]

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.truth.clear()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = YoutuVectorStore(self.folder / "index", encoder=ENCODER)

    @invariant()
    def every_node_is_found_under_its_own_vector(self) -> None:
        for id, node in self.truth.items():
            vector = ENCODER.encode_document([node.text])[0].tolist()
            result = self.store.query(VectorStoreQuery(query_embedding=vector, similarity_top_k=1))
            assert result.ids == [id]
            assert [one.get_content() for one in result.nodes or []] == [node.text]
            assert result.similarities == pytest.approx([1], abs=1e-5)

    @invariant()
    def nothing_else_is_found(self) -> None:
        result = self.store.query(VectorStoreQuery(query_str="anything", similarity_top_k=100))
        assert sorted(result.ids or []) == sorted(self.truth)
        for group in range(3):
            found = {node.node_id for node in self.store.get_nodes(filters=of_group(group))}
            assert found == {id for id, node in self.truth.items() if node.metadata["group"] == group}
        expected = [node.model_copy(update={"embedding": None}) for node in self.truth.values()]
        assert self.store.get_nodes() == expected  # in the order they were added

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)


TestStore = Machine.TestCase
TestStore.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
