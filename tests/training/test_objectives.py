"""The objectives beside published values, loops written here, the host's own losses, and finite differences."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from batches import group_labels
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers.sentence_transformer import losses as host
from torch import Tensor
from torch.nn.functional import normalize

from youtu_st.errors import NonFiniteError
from youtu_st.training.objectives import (
    CachedInfoNCELoss,
    CoSENTLoss,
    DistillationLoss,
    InfoNCELoss,
    PearsonLoss,
    PROLoss,
    RankKLLoss,
    SimilarityLoss,
    contrastive,
)
from youtu_st.training.objectives.distillation import TEACHER_SCORES
from youtu_st.training.objectives.similarity import SCORES, middle_infonce

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "codiemb_losses.json"


def cases(objective: str) -> list[Any]:
    if not REFERENCE.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"{REFERENCE.name} is not there"))]
    return [case for case in json.loads(REFERENCE.read_text())["cases"] if case["objective"] == objective]


def double(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


class Given(torch.nn.Module):
    """A model whose features are the vectors themselves."""

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"sentence_embedding": features["vectors"]}


def contrast(queries: Tensor, candidates: Tensor, labels: dict[str, Tensor], **settings: Any) -> Tensor:
    return InfoNCELoss(Given(), **settings).compute_loss_from_embeddings([queries, candidates], labels)


@pytest.mark.parametrize("case", cases("ir_infonce"))
def test_infonce_equals_the_reference(case: dict[str, Any]) -> None:
    queries, passages = double(case["query"]), double(case["passage"])
    labels = group_labels(len(queries), case["positives"], case["negatives"])
    loss = contrast(queries, passages, labels, temperature=case["temperature"])
    assert loss.item() == pytest.approx(case["loss"], rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("case", cases("sts_ranking"))
def test_ranking_losses_equal_the_reference(case: dict[str, Any]) -> None:
    predicted, gold = double(case["predicted"]), double(case["gold"])
    found = {
        "pearson": PearsonLoss()(predicted, gold),
        "rank_kl_t0.05": RankKLLoss()(predicted, gold),
        "pro_t0.05": PROLoss()(predicted, gold),
    }
    for name, value in found.items():
        expected = 0.0 if case[name] is None else case[name]  # of one pair there is no correlation
        assert value.item() == pytest.approx(expected, abs=1e-5), name


@pytest.mark.parametrize("case", cases("sts_infonce"))
def test_infonce_of_the_middle_layer_equals_the_reference(case: dict[str, Any]) -> None:
    first, second = (normalize(double(case[name]), dim=1) for name in ("query", "passage"))
    keys = torch.arange(2 * len(first)).view(-1, 2)
    loss = middle_infonce(
        first,
        second,
        double(case["gold"]),
        keys,
        threshold=case["threshold"],
        temperature=case["temperature"],
    )
    assert loss.item() == pytest.approx(case["loss"], abs=1e-5)


@pytest.mark.parametrize("negatives", [0, 1, 4])
def test_with_one_positive_and_nothing_masked_it_is_the_hosts_loss(negatives: int) -> None:
    torch.manual_seed(1)
    queries, candidates = torch.randn(8, 16), torch.randn(8, 1 + negatives, 16)
    labels = group_labels(8, 1, negatives)
    columns = [queries, *candidates.unbind(1)]
    for query_query in (False, True):
        directions = ("query_to_doc", "query_to_query") if query_query else ("query_to_doc",)
        stock = host.MultipleNegativesRankingLoss(Given(), scale=50.0, directions=directions)
        expected = stock.compute_loss_from_embeddings(columns, None)
        loss = contrast(queries, candidates.flatten(0, 1), labels, query_query=query_query)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def by_loops(
    queries: Tensor, candidates: Tensor, labels: dict[str, Tensor], temperature: float, *, query_query: bool
) -> float:
    """InfoNCE, one candidate after the other."""
    queries, candidates = normalize(queries, dim=1), normalize(candidates, dim=1)
    which, keys, known = (labels[name].tolist() for name in ("candidates", "candidate_keys", "known"))
    positives = int(labels["positives"])
    classes, own = labels.get("candidate_classes"), labels.get("classes")
    total = 0.0
    for i, query in enumerate(queries):
        for k in range(positives):
            mine = math.exp(float(query @ candidates[which[i][k]]) / temperature)
            others = 0.0
            for j, group in enumerate(which):
                for slot, row in enumerate(group):
                    if row < 0 or keys[j][slot] in known[i] or (slot < positives and slot != k):
                        continue
                    if classes is not None and classes[j][slot] == own[i] and classes[j][slot] != 0:
                        continue
                    others += math.exp(float(query @ candidates[row]) / temperature)
                if query_query and int(labels["query_keys"][j]) not in known[i]:
                    others += math.exp(float(query @ queries[j]) / temperature)
            total -= math.log(mine / (mine + others)) / positives / len(queries)
    return total


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_infonce_with_masks_equals_a_loop(data: st.DataObject) -> None:
    rows, positives, negatives = (data.draw(st.integers(low, 4)) for low in (1, 1, 0))
    group = positives + negatives
    torch.manual_seed(data.draw(st.integers(0, 9)))
    # Few keys, so that texts repeat: as others' positives, as negatives, as queries.
    draw = lambda *shape: torch.tensor(  # noqa: E731
        data.draw(st.lists(st.integers(1, 9), min_size=math.prod(shape), max_size=math.prod(shape)))
    ).view(shape)
    labels = group_labels(rows, positives, negatives, keys=draw(rows, group), known=draw(rows, 1))
    labels["query_keys"] = draw(rows)
    labels["known"] = torch.cat(
        [labels["known"], labels["query_keys"][:, None], labels["candidate_keys"][:, :positives]], dim=1
    )
    if negatives:
        absent = torch.rand(rows, negatives) < 0.3
        labels["candidates"][:, positives:][absent] = -1
    if data.draw(st.booleans()):
        labels["classes"], labels["candidate_classes"] = draw(rows), draw(rows, group) - 1
    query_query = data.draw(st.booleans())
    queries = torch.randn(rows, 5, dtype=torch.float64)
    candidates = torch.randn(rows * group, 5, dtype=torch.float64)
    expected = by_loops(queries, candidates, labels, 0.3, query_query=query_query)
    found = contrast(queries, candidates, labels, temperature=0.3, query_query=query_query)
    assert found.item() == pytest.approx(expected, abs=1e-9)


def test_a_repeated_text_is_no_negative_and_gets_no_gradient() -> None:
    torch.manual_seed(3)
    queries = torch.randn(2, 4)
    candidates = torch.randn(4, 4, requires_grad=True)
    labels = group_labels(2, 1, 1)
    labels["candidate_keys"][1] = labels["candidate_keys"][
        0, 0
    ]  # both candidates of the second are the first's positive
    labels["known"] = torch.cat([labels["query_keys"][:, None], labels["candidate_keys"][:, :1]], dim=1)
    losses = InfoNCELoss(Given())
    batch = losses._batch(normalize(queries, dim=1), normalize(candidates, dim=1), labels)
    losses._losses(batch, slice(0, 1)).sum().backward()
    assert candidates.grad is not None
    assert candidates.grad[2:].abs().max() == 0
    assert candidates.grad[1].abs().max() > 0


def pro_by_loops(predicted: Tensor, gold: Tensor, temperature: float) -> Tensor:
    losses = []
    for k in range(len(gold)):
        lower = [j for j in range(len(gold)) if gold[k] - gold[j] > 1e-8]
        if lower:
            differences = [gold[k] - gold[j] for j in lower]
            logits = [max(differences) * predicted[k] / temperature]
            logits += [d * predicted[j] / temperature for d, j in zip(differences, lower, strict=True)]
            losses.append(torch.stack(logits).logsumexp(0) - logits[0])
    return torch.stack(losses).mean() if losses else predicted.sum() * 0


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 12), levels=st.integers(1, 6), seed=st.integers(0, 99))
def test_pro_equals_the_double_loop(n: int, levels: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    predicted = (torch.rand(n, generator=generator) * 2 - 1).requires_grad_()
    gold = torch.randint(0, levels, (n,), generator=generator).float()
    loss, expected = PROLoss()(predicted, gold), pro_by_loops(predicted, gold, 0.05)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-4)
    (found,), (grad,) = (torch.autograd.grad(one, predicted) for one in (loss, expected))
    assert torch.allclose(found, grad, rtol=1e-4, atol=1e-4)


def test_cosent_equals_the_hosts() -> None:
    torch.manual_seed(2)
    first, second, gold = torch.randn(9, 6), torch.randn(9, 6), torch.randint(0, 4, (9,)).float()
    expected = host.CoSENTLoss(Given(), scale=20.0).compute_loss_from_embeddings([first, second], gold)
    cosines = torch.cosine_similarity(first, second)
    assert CoSENTLoss(0.05)(cosines, gold).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_sum_is_that_of_the_weighted_parts() -> None:
    torch.manual_seed(4)
    first, second = torch.randn(2, 7, 5).double()
    scores = torch.tensor([0.0, 0.2, 0.2, 0.5, 0.8, 1.0, 1.0]).double()
    loss = SimilarityLoss(Model(), cosent=3.0).compute_loss_from_embeddings([first, second], {SCORES: scores})
    cosines = torch.cosine_similarity(first, second)
    parts = [
        (2.0, PearsonLoss()),
        (5.0, RankKLLoss(0.05)),
        (0.5, PROLoss(0.05)),
        (3.0, CoSENTLoss(0.05)),
    ]
    expected = sum(weight * part(cosines, scores).item() for weight, part in parts)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


class Model(Given):
    """One that :class:`SimilarityLoss` can look into."""

    def __getitem__(self, position: int) -> Any:
        network = torch.nn.Module()
        network.model = torch.nn.Identity()
        return network

    def __iter__(self) -> Any:
        return iter([None])


def differences(function: Any, values: Tensor) -> Tensor:
    """A gradient by central differences."""
    step, grad = 1e-6, torch.zeros_like(values)
    for i in range(values.numel()):
        shift = torch.zeros(values.numel(), dtype=values.dtype)
        shift[i] = step
        shift = shift.view_as(values)
        grad.view(-1)[i] = (function(values + shift) - function(values - shift)) / (2 * step)
    return grad


@pytest.mark.parametrize(
    "name", ["pearson", "rank_kl", "pro", "cosent", "ir", "ir+qq", "cached", "distil", "middle"]
)
def test_gradients_equal_finite_differences(name: str) -> None:
    torch.manual_seed(5)
    gold = torch.tensor([0.0, 1.0, 0.4, 1.0, 0.4]).double()
    labels: dict[str, Tensor] = group_labels(5, 1, 2)
    labels["candidate_keys"][3, 2] = labels["candidate_keys"][0, 0]
    labels[TEACHER_SCORES] = torch.randn(5, 3).double()
    fixed = torch.randn(15, 4).double()
    ranking = {"pearson": PearsonLoss(), "rank_kl": RankKLLoss(), "pro": PROLoss(), "cosent": CoSENTLoss()}
    contrasting = {
        "ir": InfoNCELoss(Given(), temperature=0.5),
        "ir+qq": InfoNCELoss(Given(), temperature=0.5, query_query=True),
        "cached": CachedInfoNCELoss(Given(), temperature=0.5, mini_batch_size=2, query_query=True),
        "distil": DistillationLoss(Given(), temperature=0.5),
    }
    keys = torch.arange(10).view(5, 2)
    values = torch.rand(5).double() if name in ranking else torch.randn(5, 4).double()

    def function(x: Tensor) -> Tensor:
        if name in ranking:
            return ranking[name](x, gold)
        if name == "middle":
            first, second = normalize(x, dim=1), normalize(fixed[:5], dim=1)
            return middle_infonce(first, second, gold, keys, threshold=1.0, temperature=0.5)
        if name == "cached":
            return contrasting[name]([{"input_ids": one, "vectors": one} for one in (x, fixed)], labels)
        return contrasting[name].compute_loss_from_embeddings([x, fixed], labels)

    leaf = values.clone().requires_grad_()
    function(leaf).backward()
    assert leaf.grad is not None
    with torch.no_grad():
        expected = differences(function, values)
    assert torch.allclose(leaf.grad, expected, atol=1e-6), (leaf.grad - expected).abs().max()


def test_the_cached_loss_is_the_plain_one_whatever_the_parts() -> None:
    torch.manual_seed(6)
    labels = group_labels(7, 2, 3)
    queries, candidates = torch.randn(7, 6), torch.randn(35, 6)
    grads = []
    for part in (1, 2, 3, 7, 100, None):
        leaves = [queries.clone().requires_grad_(), candidates.clone().requires_grad_()]
        if part is None:
            loss = InfoNCELoss(Given(), query_query=True).compute_loss_from_embeddings(leaves, labels)
        else:
            cached = CachedInfoNCELoss(Given(), query_query=True, mini_batch_size=part)
            loss = cached([{"input_ids": leaf, "vectors": leaf} for leaf in leaves], labels)
        loss.backward()
        grads.append((loss.item(), [leaf.grad for leaf in leaves]))
    expected, wanted = grads.pop()
    for loss_value, found in grads:
        assert loss_value == pytest.approx(expected, rel=1e-5)
        for one, other in zip(found, wanted, strict=True):
            assert torch.allclose(one, other, atol=1e-6 * other.abs().max())


@pytest.mark.parametrize("what", ["one row", "alike", "no valid pair", "all masked", "one masked row"])
def test_where_there_is_nothing_to_learn_the_loss_is_finite_and_the_gradient_zero(what: str) -> None:
    torch.manual_seed(7)
    rows = 1 if what == "one row" else 4
    first, second = torch.randn(rows, 5, requires_grad=True), torch.randn(rows, 5, requires_grad=True)
    scores = torch.full((rows,), 0.5)
    keys = torch.arange(2 * rows).view(rows, 2)
    labels = group_labels(rows, 1, 0)
    if what == "all masked":
        labels["known"] = labels["candidate_keys"].T.repeat(rows, 1)
    if what == "one masked row":
        labels["known"] = torch.cat([labels["known"], labels["known"][:, 1:]], dim=1)
        labels["known"] = torch.where(
            torch.arange(4)[:, None] == 0, labels["candidate_keys"].T.repeat(4, 1)[:, :3], labels["known"]
        )
    one_vector = torch.ones(rows, 5, requires_grad=True)
    losses = [
        SimilarityLoss(Model(), rank_kl=0.0).compute_loss_from_embeddings([first, second], {SCORES: scores}),
        SimilarityLoss(Model()).compute_loss_from_embeddings(
            [one_vector, one_vector], {SCORES: torch.arange(rows) / 4}
        ),
        middle_infonce(
            normalize(first, dim=1), normalize(second, dim=1), scores, keys, threshold=1.0, temperature=0.02
        ),
        contrast(first, second, labels),
    ]
    for number, loss in enumerate(losses):
        assert torch.isfinite(loss)
        leaves = (one_vector,) if number == 1 else (first, second)
        for grad in torch.autograd.grad(loss, leaves):  # which fails for a leaf that it does not reach
            assert torch.isfinite(grad).all()
    if what in ("one row", "all masked"):
        assert losses[3].item() == 0
        for grad in torch.autograd.grad(contrast(first, second, labels), (first, second)):
            assert grad.abs().max() == 0


def test_a_loss_that_is_no_number_names_data_set_and_rows() -> None:
    queries = torch.tensor([[math.nan, 1.0], [1.0, 0.0]])
    labels = {**group_labels(2, 1, 0), "rows": torch.tensor([17, 4])}
    objective = InfoNCELoss(Given(), name="questions")
    with pytest.raises(NonFiniteError, match=r"the loss is nan in data set 'questions', rows 17, 4"):
        objective([{"vectors": queries}, {"vectors": torch.eye(2)}], labels)


def test_distillation_is_the_hosts() -> None:
    torch.manual_seed(8)
    queries, candidates, scores = torch.randn(4, 6), torch.randn(12, 6), torch.randn(4, 3)
    labels = {**group_labels(4, 1, 2), TEACHER_SCORES: scores}
    loss = DistillationLoss(Given(), temperature=0.1).compute_loss_from_embeddings(
        [queries, candidates], labels
    )
    stock = host.DistillKLDivLoss(Given(), student_temperature=0.1, teacher_temperature=1.0)
    columns = [normalize(queries, dim=1), *normalize(candidates, dim=1).view(4, 3, 6).unbind(1)]
    assert loss.item() == pytest.approx(stock.compute_loss_from_embeddings(columns, scores).item(), rel=1e-5)
    labels[contrastive.CANDIDATES][2, 2] = -1
    part = DistillationLoss(Given(), temperature=0.1).compute_loss_from_embeddings(
        [queries, candidates], labels
    )
    kept = [0, 1, 3]
    expected = stock.compute_loss_from_embeddings([column[kept] for column in columns], scores[kept])
    assert part.item() == pytest.approx(expected.item() * 0.75, rel=1e-5)


def test_pair_keys_keep_a_pairs_own_texts_from_being_negatives() -> None:
    first, second = normalize(torch.randn(2, 3, 4).double(), dim=-1)
    scores = torch.ones(3).double()
    keys = torch.tensor(
        [[1, 2], [3, 2], [5, 1]]
    )  # the second's text is the first's; the third's second is the first
    loss = middle_infonce(first, second, scores, keys, threshold=1.0, temperature=1.0)
    logits = first @ second.T
    negatives = [[], [2], [0, 1]]
    expected = sum(
        math.log(1 + sum(math.exp(logits[i, j] - logits[i, i]) for j in negatives[i])) for i in range(3)
    )
    assert loss.item() == pytest.approx(expected / 3, rel=1e-9)
