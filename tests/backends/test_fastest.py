"""The fastest way that keeps the vectors: measured against vectors computed here, remembered, forgotten."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import youtu_st
from youtu_st import disk
from youtu_st.backends import device as devices
from youtu_st.backends import fastest as ways_to_run
from youtu_st.backends import trials
from youtu_st.backends.fastest import FastChoice, best
from youtu_st.backends.trials import Trial, Way, candidates, probe_texts, rounded_candidates, run_trials
from youtu_st.disk import cache_directory
from youtu_st.errors import InputError, ModelLoadError, UnknownModelError

openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra openvino is not installed"
)


def load_fastest(
    model: Any, settings: Any = None, progress: Any = None
) -> tuple[youtu_st.Encoder, FastChoice]:
    return ways_to_run.fastest(youtu_st.Encoder, model, settings, progress)


def fastest(model: Any, progress: Any = None, **settings: Any) -> FastChoice:
    return load_fastest(model, settings, progress)[1]


TEXTS = 6  # measured in most tests: without instructions for it, bfloat16 is a hundred times slower


EXPORTS = cache_directory() / "exports"  # of the whole run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trials, "ROUND_SECONDS", 0)
    monkeypatch.setattr(trials, "USUAL_TEXTS", TEXTS)
    return tmp_path / "cache"


@pytest.fixture
def exports(cache: Path) -> None:
    """The graphs are those of the whole run; what is chosen is not shared."""
    EXPORTS.mkdir(parents=True, exist_ok=True)
    cache.mkdir()
    (cache / "exports").symlink_to(EXPORTS)


@pytest.fixture
def two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch in float32 and in the checkpoint's dtype, which is the same: quick everywhere."""
    monkeypatch.setattr(
        ways_to_run, "candidates", lambda device: [Way("torch", "float32"), Way("torch", "checkpoint")]
    )


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every encoder that is made, as ``(backend, dtype)``."""
    made: list[tuple[str, str]] = []

    construct = youtu_st.Encoder.__init__

    def counted(self: youtu_st.Encoder, *args: Any, **settings: Any) -> None:
        if "backend" in settings:  # else a test's own
            made.append((settings["backend"], settings["dtype"]))
        construct(self, *args, **settings)

    monkeypatch.setattr(youtu_st.Encoder, "__init__", counted)
    return made


def kept(cache: Path) -> Path:
    (file,) = (cache / "fast").iterdir()
    return file


# -- the probe texts -----------------------------------------------------------------------------------------


def test_probe_texts_differ_and_are_mixed_from_the_first_on() -> None:
    texts = probe_texts(512)
    assert len(set(texts)) == 512
    assert probe_texts(40) == texts[:40]
    chinese = [any("\u4e00" <= c <= "\u9fff" for c in text) for text in texts]
    lengths = [len(text) for text in texts]
    for count in (4, 32, 512):
        assert 0.2 < sum(chinese[:count]) / count < 1
        assert max(lengths[:count]) > 4 * min(lengths[:count])
    assert max(lengths) < 600


# -- which is chosen -----------------------------------------------------------------------------------------


def test_the_fastest_that_keeps_the_vectors_is_chosen() -> None:
    reference = Trial("torch", "float32", 10.0, 1.0)
    close = Trial("torch", "bfloat16", 30.0, 0.9995)
    wrong = Trial("torch", "float16", 90.0, 0.99949)
    broken = Trial("openvino", "float32", 99.0, 1.0, problem="cannot convert")
    slow = Trial("openvino", "bfloat16", 5.0, 1.0)
    for order in itertools.permutations([close, wrong, broken, slow]):
        assert best((reference, *order)) is close
    assert best((reference, wrong, broken, slow)) is reference
    assert best((Trial("torch", "float32", 10.0, 0.5), slow)).dtype == "float32"


def test_rounded_weights_are_offered_and_never_chosen() -> None:
    table = (
        Trial("torch", "float32", 10.0, 1.0),
        Trial("onnx", "float32", 20.0, 1.0),
        Trial("openvino", "float32", 30.0, 0.998, weights="int8"),
        Trial("onnx", "float32", 90.0, 0.99, weights="int8-dynamic"),
    )
    choice = FastChoice(best(table).backend, best(table).dtype, table)
    assert (choice.backend, choice.settings) == ("onnx", {"backend": "onnx", "dtype": "float32"})
    assert choice.offers == (table[3], table[2])
    assert str(choice) == "onnx float32: 20 texts/s, 2.0 times torch float32, cosine 1.00000"
    said = "onnx int8-dynamic: 90 texts/s, 9.0 times torch float32, cosine 0.99000"
    assert choice.compared(table[3]) == said
    # None that is too far off, no faster than what is exact, or does not work.
    for other in (
        Trial("openvino", "float32", 30.0, 0.9979, weights="int8"),
        Trial("onnx", "float32", 90.0, 0.9899, weights="int8-dynamic"),
        Trial("openvino", "float32", 19.0, 1.0, weights="int8"),
        Trial("openvino", "float32", 30.0, 1.0, "no room", weights="int8"),
    ):
        assert FastChoice("onnx", "float32", (*table[:2], other)).offers == ()
    assert FastChoice("torch", "float32").offers == ()
    slow = (table[0], Trial("openvino", "float32", 5.0, 1.0), table[3])
    assert str(FastChoice("torch", "float32", slow)) == "torch float32: 10 texts/s, the fastest of 2 ways"


def test_a_choice_in_words() -> None:
    table = (Trial("torch", "float32", 1000.0, 1.0), Trial("openvino", "bfloat16", 5400.0, 0.999712))
    said = "openvino bfloat16: 5,400 texts/s, 5.4 times torch float32, cosine 0.99971"
    assert str(FastChoice("openvino", "bfloat16", table)) == said
    assert str(FastChoice("openvino", "bfloat16", table, remembered=True)) == f"{said} (remembered)"
    assert str(FastChoice("torch", "float32", table)) == "torch float32: 1,000 texts/s, the fastest of 2 ways"
    assert str(FastChoice("torch", "float32")) == "torch float32, the only way to run it here"


def test_candidates_are_what_the_machine_computes_natively(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "is_native", lambda dtype, device: dtype == torch.bfloat16)
    monkeypatch.setattr(trials, "native_dtypes", lambda: ("float32", "float16"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    torches = [("torch", "float32", None), ("torch", "bfloat16", None)]
    openvinos = [("openvino", "float32", None), ("openvino", "float16", None)]
    rounded = [("openvino", "float32", "int8"), ("onnx", "float32", "int8-dynamic")]
    assert candidates("cpu") == [*torches, *openvinos, ("onnx", "float32", None)]
    assert rounded_candidates("cpu") == rounded
    assert (candidates("cuda:1"), rounded_candidates("cuda:1")) == (torches, [])
    # What makes a graph has to be there, too: it is measured before there is one.
    for missing, left, offered in (
        ("onnxscript", [*torches, *openvinos], rounded[:1]),
        ("nncf", [*torches, *openvinos, ("onnx", "float32", None)], rounded[1:]),
        ("openvino", [*torches, ("onnx", "float32", None)], rounded[1:]),
    ):
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda name, missing=missing: None if name == missing else object()
        )
        assert (candidates("cpu"), rounded_candidates("cpu")) == (left, offered)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert (candidates("cpu"), rounded_candidates("cpu")) == (torches, [])


# -- what is measured ----------------------------------------------------------------------------------------


def test_cosines_are_the_lowest_over_texts_and_roles(tiny: Path) -> None:
    ways = [Way("torch", "float32"), Way("torch", "bfloat16")]
    table = run_trials(youtu_st.Encoder, tiny, {"device": "cpu"}, ways, lambda line: None)
    exact = youtu_st.Encoder(tiny, device="cpu", dtype="float32")
    rounded = youtu_st.Encoder(tiny, device="cpu", dtype="bfloat16")
    texts = probe_texts(TEXTS)
    cosines = [
        float(np.dot(a.astype(np.float64), b))
        for role in ("encode_query", "encode_document")
        for a, b in zip(getattr(exact, role)(texts), getattr(rounded, role)(texts), strict=True)
    ]
    assert (table[0].backend, table[0].dtype, table[0].problem) == ("torch", "float32", None)
    assert table[0].cosine == pytest.approx(1, abs=1e-6)
    assert table[1].cosine == pytest.approx(min(cosines), abs=1e-5)
    assert 0.9 < table[1].cosine < 0.99999
    assert all(trial.texts_per_second > 0 for trial in table)


def test_speed_is_texts_over_the_median_round(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.accumulate([0, 0.5, *[0, 2.0, 0, 9.0, 0, 4.0] * 2])  # sizing; then three rounds, twice
    monkeypatch.setattr(trials.time, "perf_counter", lambda: next(clock))
    ways = [Way("torch", "float32"), Way("torch", "float32")]
    table = run_trials(youtu_st.Encoder, tiny, {"device": "cpu"}, ways, lambda line: None)
    # Both roles count.
    assert [trial.texts_per_second for trial in table] == [2 * TEXTS / 4.0] * 2


@pytest.mark.parametrize(("each", "count"), [(0.0005, 512), (0.004, 250), (0.1, 32), (0.5, 10), (60.0, 4)])
def test_long_rounds_have_fewer_texts(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, each: float, count: int
) -> None:
    monkeypatch.undo()
    seen: list[int] = []
    now = [0.0]

    def timed(encoder: Any, texts: list[str]) -> Any:
        seen.append(len(texts))
        now[0] += each * len(texts)
        return np.ones((2 * len(texts), 1))

    monkeypatch.setattr(trials, "encode_probes", timed)
    monkeypatch.setattr(trials.time, "perf_counter", lambda: now[0])
    (trial,) = run_trials(
        youtu_st.Encoder, tiny, {"device": "cpu"}, [Way("torch", "float32")], lambda line: None
    )
    assert seen[:3] == [4, 4, count]
    assert trial.texts_per_second == pytest.approx(2 / each)
    assert len(seen) == (6 if each < 60 else 4)  # a round of four minutes is not run three times


def test_a_way_that_does_not_work_says_why(tiny: Path, spy: Any) -> None:
    ways: Any = [Way("torch", "float32"), Way("torch", "no such"), Way("torch", "checkpoint")]  # type: ignore[arg-type]  # wrong on purpose
    table = run_trials(youtu_st.Encoder, tiny, {"device": "cpu"}, ways, lambda line: None)
    assert [trial.problem is None for trial in table] == [True, False, True]
    assert "dtype" in str(table[1].problem)
    assert best(table).problem is None
    with pytest.raises(UnknownModelError):
        run_trials(youtu_st.Encoder, tiny / "gone", {}, ways, lambda line: None)


@pytest.mark.openvino
@openvino
@pytest.mark.usefixtures("exports")
def test_engines_are_tried_and_run(tiny: Path) -> None:
    encoder, choice = load_fastest(tiny, {"device": "cpu"})
    measured = {trial.way: trial for trial in choice.trials}
    assert list(measured) == candidates("cpu")
    engines = [way for way in measured if way.backend != "torch" and way.dtype == "float32"]
    assert Way("openvino", "float32") in engines
    for way in engines:
        assert measured[way].problem is None
        assert measured[way].cosine > 0.99999
    assert best(choice.trials) == measured[Way(choice.backend, choice.dtype)]
    assert {name: encoder.runtime[name] for name in ("backend", "dtype")} == choice.settings
    plain = youtu_st.Encoder(tiny, device="cpu", dtype="float32")
    assert encoder.fingerprint == plain.fingerprint
    texts = probe_texts(TEXTS)
    assert (encoder.encode_query(texts) * plain.encode_query(texts)).sum(
        axis=1
    ).min() >= ways_to_run.MIN_COSINE


@pytest.mark.openvino
@openvino
@pytest.mark.usefixtures("exports")
def test_rounded_weights_are_measured_where_they_are_asked_for(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    exact, rounded = Way("torch", "float32"), Way("openvino", "float32", "int8")
    monkeypatch.setattr(ways_to_run, "candidates", lambda device: [exact])
    monkeypatch.setattr(ways_to_run, "rounded_candidates", lambda device: [rounded])
    encoder, choice = ways_to_run.fastest(youtu_st.Encoder, tiny, {"device": "cpu"}, rounded=True)
    assert [trial.way for trial in choice.trials] == [exact, rounded]
    assert encoder.runtime == {"backend": "torch", "dtype": "float32", "device": "cpu"}
    texts = probe_texts(TEXTS)
    here = youtu_st.Encoder(tiny, backend="openvino", weights="int8")
    cosines = (here.encode_query(texts) * encoder.encode_query(texts)).sum(axis=1)
    assert 0.998 < choice.trials[1].cosine <= cosines.min() + 1e-6
    # Those that were measured are not those of a call that does not ask.
    assert fastest(tiny, device="cpu").trials == ()
    again = ways_to_run.fastest(youtu_st.Encoder, tiny, {"device": "cpu"}, rounded=True)[1]
    assert (again.remembered, again.trials) == (True, choice.trials)
    caplog.set_level("INFO", logger="youtu_st")
    youtu_st.Encoder.fastest(tiny, rounded=True, device="cpu")
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("rounded")]
    assert told == [
        f"rounded: {choice.compared(trial)}: backend='openvino', weights='int8'" for trial in choice.offers
    ]


# -- what is remembered --------------------------------------------------------------------------------------


STARTS = """
import sys
from youtu_st import Encoder
encoder = Encoder.fastest(sys.argv[1])
vectors = encoder.encode_query(["one"])
print(encoder.runtime["backend"], sorted(sys.modules.keys() & {"torch", "transformers", "sentence_transformers"}))
"""


@pytest.mark.openvino
@openvino
@pytest.mark.usefixtures("exports")
def test_a_remembered_engine_opens_without_torch(tiny: Path) -> None:
    encoder = youtu_st.Encoder(tiny, backend="openvino")
    trials_of = (Trial("torch", "float32", 1.0, 1.0), Trial("openvino", "float32", 2.0, 1.0))
    file = ways_to_run._file(tiny, {}, None)
    ways_to_run._write(file, FastChoice("openvino", "float32", trials_of), encoder)
    command = [sys.executable, "-c", STARTS, str(tiny)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "openvino []\n"), done.stderr


def test_another_machine_or_release_is_another_choice(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        ways_to_run._file(tiny, {}, None),
        ways_to_run._file(tiny, {}, "cpu"),
        ways_to_run._file(tiny, {}, None, rounded=True),
        ways_to_run._file(tiny, {"max_length": 9}, None),
    ]
    assert ways_to_run._file(tiny, {}, None) == files[0]
    with monkeypatch.context() as patched:
        patched.setenv("CUDA_VISIBLE_DEVICES", "1")
        files.append(ways_to_run._file(tiny, {}, None))
        assert ways_to_run._file(tiny, {}, "cpu") == files[1]
    with monkeypatch.context() as patched:
        patched.setattr(ways_to_run, "_processor", lambda: "another")
        files += [ways_to_run._file(tiny, {}, None), ways_to_run._file(tiny, {}, "cpu")]
    found = ways_to_run._versions()
    for name in ("onnxruntime", "openvino", "nncf", "torch", "youtu-st"):
        assert name in found
        with monkeypatch.context() as patched:
            patched.setattr(ways_to_run, "_versions", lambda name=name: {**found, name: "9999"})
            files.append(ways_to_run._file(tiny, {}, None))
    assert len(set(files)) == len(files)


def test_a_card_is_part_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways_to_run, "_GPUS", tmp_path)
    before = ways_to_run._machine(None)
    (tmp_path / "0000:01").mkdir()
    (tmp_path / "0000:01" / "information").write_text("Model: \t NVIDIA H100\nIRQ: 7\n")
    assert ways_to_run._machine(None) == [*before, "NVIDIA H100"]
    assert ways_to_run._machine("cpu") == ["cpu", before[0]]


@pytest.mark.slow
@pytest.mark.usefixtures("two_ways")
def test_it_is_measured_once(tiny: Path, cache: Path, spy: list[tuple[str, str]]) -> None:
    told: list[str] = []
    first = fastest(tiny, device="cpu", progress=told.append)
    assert not first.remembered
    chosen = (first.backend, first.dtype)
    assert spy == [("torch", "float32"), ("torch", "checkpoint"), chosen]
    assert told == [
        f"measuring the fastest of 2 ways to run {tiny}: torch float32 ...",
        f"measuring the fastest of 2 ways to run {tiny}: torch checkpoint ...",
        f"loading {tiny}: {' '.join(chosen)} ...",
    ]
    spy.clear()
    # Defaults given and not given are the same; the model is loaded once, and nothing is measured.
    again = fastest(str(tiny), device="cpu", trust_remote_code=False, checkpoint=None)
    assert spy == [chosen]
    assert again == FastChoice(first.backend, first.dtype, first.trials, remembered=True)
    content = json.loads(kept(cache).read_text())
    assert content["fingerprint"] == youtu_st.Encoder(tiny, device="cpu").fingerprint
    assert content["model"] == str(tiny)

    kept(cache).unlink()  # forgotten
    assert not fastest(tiny, device="cpu").remembered
    assert not fastest(tiny, device="cpu", max_length=64).remembered  # other settings, another choice
    assert len(list((cache / "fast").iterdir())) == 2


@pytest.mark.usefixtures("two_ways")
def test_another_checkpoint_in_the_same_place_is_measured_again(tiny: Path, tmp_path: Path) -> None:
    place = tmp_path / "model"
    shutil.copytree(tiny, place)
    before, _ = load_fastest(place, {"device": "cpu"})
    (weights,) = place.rglob("*.safetensors")
    tensors = {name: -tensor for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, {"format": "pt"})
    after, choice = load_fastest(place, {"device": "cpu"})
    assert before.fingerprint != after.fingerprint
    assert not choice.remembered
    assert load_fastest(place, {"device": "cpu"})[1].remembered


def sealed(text: str, **changes: Any) -> str:
    """The same with other values, and with their checksum."""
    content = {**json.loads(text), **changes}
    del content["checksum"]
    return disk.sealed(content).decode()


@pytest.mark.usefixtures("two_ways")
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-20],
        lambda text: "[]",
        lambda text: "null",
        lambda text: text.replace('"trials"', '"tests"'),
        lambda text: text.replace('"dtype"', '"kind"'),
        lambda text: text.replace('"format": 2', '"format": 3'),
        lambda text: text.replace('"torch"', '"abacus"'),
        lambda text: sealed(text, trials=[]),
        lambda text: sealed(text, backend="openvino"),
        lambda text: sealed(text, format=3),
        lambda text: sealed(text, format=1),
        lambda text: json.dumps({k: v for k, v in json.loads(text).items() if k != "checksum"}),
    ],
    ids=[
        "cut",
        "list",
        "null",
        "no trials",
        "no dtype",
        "format",
        "backend",
        "empty",
        "not among them",
        "newer",
        "earlier",
        "unsealed",
    ],
)
def test_a_damaged_file_is_measured_again(tiny: Path, cache: Path, damage: Any) -> None:
    choice = FastChoice(
        "torch", "bfloat16", (Trial("torch", "float32", 1.0, 1.0), Trial("torch", "bfloat16", 2.0, 1.0))
    )
    file = ways_to_run._file(tiny, {"device": "cpu"}, "cpu")
    encoder = youtu_st.Encoder(tiny, device="cpu")
    ways_to_run._write(file, choice, encoder)
    assert ways_to_run._read(file) == (
        FastChoice("torch", "bfloat16", choice.trials, remembered=True),
        encoder.fingerprint,
    )
    file.write_text(damage(file.read_text()))
    assert ways_to_run._read(file) is None
    ways_to_run._write(file, choice, encoder)
    assert ways_to_run._read(file) is not None
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.usefixtures("two_ways")
def test_no_flip_or_cut_is_read(tiny: Path, cache: Path) -> None:
    choice = FastChoice(
        "torch", "bfloat16", (Trial("torch", "float32", 1.0, 1.0), Trial("torch", "bfloat16", 2.0, 1.0))
    )
    file, random = ways_to_run._file(tiny, {"device": "cpu"}, "cpu"), Random(3)
    ways_to_run._write(file, choice, youtu_st.Encoder(tiny, device="cpu"))
    good, content = ways_to_run._read(file), file.read_bytes()
    for _ in range(120):
        at = random.randrange(len(content))
        flipped = bytes([content[at] ^ 1 << random.randrange(8)])
        file.write_bytes(random.choice([content[:at] + flipped + content[at + 1 :], content[:at]]))
        found = ways_to_run._read(file)
        assert found is None or (found == good and json.loads(file.read_bytes()) == json.loads(content))
    file.unlink()
    os.mkfifo(file)
    assert ways_to_run._read(file) is None
    ways_to_run._write(file, choice, youtu_st.Encoder(tiny, device="cpu"))
    assert ways_to_run._read(file) == good


@pytest.mark.usefixtures("two_ways")
def test_a_cache_that_cannot_be_written_costs_only_the_memory(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "file"))
    encoder, choice = load_fastest(tiny, {"device": "cpu"})
    assert not choice.remembered
    assert "cannot be remembered" in caplog.text
    assert encoder.encode_query(["x"]).shape == (1, encoder.dimension)


def test_one_way_is_taken_unmeasured(
    tiny: Path, cache: Path, spy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways_to_run, "candidates", lambda device: [Way("torch", "float32")])
    choice = fastest(tiny, device="cpu")
    assert (choice, spy) == (FastChoice("torch", "float32"), [("torch", "float32")])
    assert not cache.exists()


def test_what_is_chosen_cannot_be_given(tiny: Path) -> None:
    with pytest.raises(InputError, match="dtype: the fastest way is measured, not given"):
        fastest(tiny, dtype="bfloat16")
    with pytest.raises(InputError, match="backend, weights: "):
        fastest(tiny, backend="openvino", weights="int8")
    with pytest.raises(InputError, match="pass its name or its directory"):
        fastest(youtu_st.load(tiny, device="cpu"))  # type: ignore[arg-type]
    with pytest.raises(UnknownModelError, match="unknown model 'minilmm'"):
        fastest("minilmm")
    with pytest.raises(InputError, match="batch_tokens"):
        fastest(tiny, batch_tokens=0)
    for device in ("cuda:99", ["cuda:99"], "toaster"):
        with pytest.raises(ModelLoadError, match="cuda:99' is not there|not 'toaster'"):
            fastest(tiny, device=device)


@pytest.mark.usefixtures("two_ways")
def test_the_encoder_s_own_constructor(tiny: Path) -> None:
    encoder = youtu_st.Encoder.fastest(tiny, device="cpu", max_length=64)
    assert encoder.max_length == 64
    choice = fastest(tiny, device="cpu", max_length=64)
    assert choice.remembered
    assert encoder.runtime["backend"] == choice.backend
