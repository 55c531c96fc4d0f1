"""Directories that somebody damaged, or made to do harm: one line, no hang, and no code that runs."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import youtu_st
from youtu_st.errors import ModelLoadError, YoutuError

DEEP = "[" * 100_000
CONFIG, MODULES, SENTENCES = "config.json", "modules.json", "config_sentence_transformers.json"
WEIGHTS = "model.safetensors"
OURS = "youtu_st.modules.InstructionTransformer"


@pytest.fixture
def saved(tiny: Path, tmp_path: Path) -> Path:
    """A directory that loads, to be spoiled."""
    return Path(shutil.copytree(tiny, tmp_path / "saved"))


def refusal(model: Any, **options: Any) -> str:
    """The line with which a model is refused, without the name of its directory."""
    with pytest.raises(ModelLoadError) as caught:
        youtu_st.load(model, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 1000
    return line.replace(str(model), "DIR")


def put(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def weights(header: bytes | dict[str, Any], body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(**fields: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} | fields}


def test_what_is_there_loads(saved: Path) -> None:
    (saved / ".hidden.json").symlink_to("/nowhere")  # an editor's lock
    os.mkfifo(saved / "notes.pipe")  # nobody reads it
    assert youtu_st.load(saved).encode_query(["a"]).shape == (1, 32)


@pytest.mark.parametrize(
    "name", [CONFIG, MODULES, SENTENCES, "tokenizer.json", "tokenizer_config.json", WEIGHTS]
)
@pytest.mark.parametrize("raw", [False, True])
def test_what_is_no_file_is_not_waited_for(
    saved: Path, spec_file: Callable[..., Path], name: str, raw: bool
) -> None:
    path = saved / name

    def line() -> str:
        if not raw:
            return refusal(saved)
        with pytest.raises(ModelLoadError) as caught:
            youtu_st.load(spec_file(), saved)
        return str(caught.value).replace(str(saved), "DIR")

    path.unlink()
    os.mkfifo(path)
    assert line() == f"DIR/{name} cannot be read: it is a pipe, and must be a file"
    path.unlink()
    path.mkdir()
    assert line() == f"DIR/{name} cannot be read: it is a folder, and must be a file"
    path.rmdir()
    path.symlink_to("/dev/zero")
    assert line() == f"DIR/{name} cannot be read: it is a device, and must be a file"
    path.unlink()
    path.symlink_to(name)
    assert line() == f"DIR/{name} cannot be read: too many levels of symbolic links"
    path.unlink()
    path.symlink_to("nowhere")
    assert line() == f"DIR/{name} cannot be read: no such file or directory"


def test_a_socket_is_no_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (saved / CONFIG).unlink()
    monkeypatch.chdir(saved)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(CONFIG)
        assert refusal(saved) == f"DIR/{CONFIG} cannot be read: it is a socket, and must be a file"


@pytest.mark.parametrize(
    "name", [CONFIG, SENTENCES, "tokenizer_config.json", "1_InstructionMaskedPooling/config.json"]
)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (DEEP, "is not valid JSON: it is nested too deeply"),
        ('{"a":' * 100_000, "is not valid JSON: it is nested too deeply"),
        ("hello", "is not valid JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": "\xff"}', "is not valid JSON: 'utf-8' codec can't decode byte 0xff in position 7"),
        ('{"a": ' + "9" * 5000 + "}", "is not valid JSON: it has a number of 5,000 digits"),
        ("[]", "must hold an object, not []"),
        ("null", "must hold an object, not None"),
        ("5", "must hold an object, not 5"),
    ],
)
def test_settings_that_are_none(saved: Path, name: str, content: str | bytes, reason: str) -> None:
    (saved / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refusal(saved).startswith(f"DIR/{name} {reason}")


def test_settings_of_a_gigabyte_are_not_read(saved: Path) -> None:
    with (saved / CONFIG).open("r+b") as file:
        file.truncate(1 << 30)  # takes no room on the disk
    assert refusal(saved) == f"DIR/{CONFIG} cannot be read: it has more than 33,554,432 bytes"


@pytest.mark.parametrize(
    ("modules", "reason"),
    [
        ({"a": 1}, "must hold a list of modules, not {'a': 1}"),
        (None, "must hold a list of modules, not None"),
        ([5], 'must hold a list of modules with "type" and "path", not 5'),
        ([{"type": 5, "path": ""}], 'must hold a list of modules with "type" and "path", not {'),
        ([{"type": OURS}], 'must hold a list of modules with "type" and "path", not {'),
        ([{"type": OURS, "path": "../other"}], "'../other' is no folder inside of DIR"),
        ([{"type": OURS, "path": "/etc"}], "'/etc' is no folder inside of DIR"),
        ([{"type": OURS, "path": "a\0b"}], r"'a\x00b' is no folder inside of DIR"),
    ],
)
def test_modules_that_are_none(saved: Path, modules: Any, reason: str) -> None:
    (saved / MODULES).write_text(json.dumps(modules))
    assert refusal(saved).removeprefix(f"DIR/{MODULES}").lstrip(": ").startswith(reason)


@pytest.mark.parametrize(
    "name",
    ["youtu_st.errors.brief", "youtu_st.disk.os.system", "youtu_st", "youtu_st.modules.Nothing", "os.system"],
)
def test_classes_that_are_no_modules(saved: Path, name: str) -> None:
    (saved / MODULES).write_text(json.dumps([{"type": name, "path": ""}]))
    assert refusal(saved).startswith("cannot load 'DIR': ")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompts": 5}, "prompts that are strings by their names"),
        ({"prompts": {"query": 5}}, "prompts that are strings by their names"),
        ({"default_prompt_name": ["query"]}, "a name for default_prompt_name, not ['query']"),
        ({"similarity_fn_name": 5}, "a name for similarity_fn_name, not 5"),
        ({"truncate_dim": "8"}, "a whole number from 1 on for truncate_dim, not '8'"),
        ({"truncate_dim": -1}, "a whole number from 1 on for truncate_dim, not -1"),
    ],
)
def test_prompts_and_the_like_of_other_types(saved: Path, fields: dict[str, Any], reason: str) -> None:
    put(saved / SENTENCES, **fields)
    assert refusal(saved).startswith(f"DIR/{SENTENCES} must hold {reason}")


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {name: value}
            for name in ("hidden_size", "vocab_size", "model_type")
            for value in ("x", {}, [], -1, 1.5)
        ),
        {"num_attention_heads": 0},
        {"dtype": 5},
        {"dtype": "nothing"},
        {"rope_parameters": 5},
        {"hidden_act": {}},
    ],
    ids=str,
)
def test_a_network_of_impossible_sizes_is_one_line(saved: Path, fields: dict[str, Any]) -> None:
    put(saved / CONFIG, **fields)
    assert refusal(saved).startswith("cannot load 'DIR': ")


@pytest.mark.parametrize(
    "name", ["num_hidden_layers", "hidden_size", "vocab_size", "max_position_embeddings"]
)
def test_a_network_of_enormous_sizes_is_not_begun(saved: Path, name: str) -> None:
    put(saved / CONFIG, **{name: 10**12})
    assert refusal(saved).startswith(f"DIR/{CONFIG}: {name} is 1000000000000, and no network has over ")
    put(saved / CONFIG, **{name: 8, "text_config": {"inner": {name: 10**12}}})
    assert f": {name} is 1000000000000" in refusal(saved)


def test_a_network_without_layers_is_none(saved: Path) -> None:
    for count in (0, -1):
        put(saved / CONFIG, num_hidden_layers=count)
        assert refusal(saved) == f"DIR/{CONFIG}: num_hidden_layers is {count}: a network has layers"


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "x"},
        {"model": None},
        {"model": {"type": "BPE", "vocab": 5, "merges": 5}},
        {"added_tokens": 5},
    ],
    ids=str,
)
def test_a_tokenizer_that_is_none(saved: Path, fields: dict[str, Any]) -> None:
    put(saved / "tokenizer.json", **fields)
    assert refusal(saved).startswith("cannot load 'DIR': ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "header too small"),
        (struct.pack("<Q", 10**18) + b"{}", "header too large"),
        (struct.pack("<Q", 100) + b"x" * 200, "invalid JSON in header"),
        (weights(DEEP.encode()), "invalid JSON in header"),
        (weights(tensor(shape=[-1, -4]), b"\0" * 16), "invalid value: integer `-1`"),
        (weights(tensor(data_offsets=[-16, 0]), b"\0" * 16), "invalid value: integer `-16`"),
        (weights(tensor(shape=[10**18, 10**18]), b"\0" * 16), "overflow"),
        (weights(tensor(), b"\0" * 10), "file not fully covered"),
        (weights(tensor(dtype="Z"), b"\0" * 16), "unknown variant `Z`"),
    ],
)
def test_damaged_weights(saved: Path, content: bytes, reason: str) -> None:
    (saved / WEIGHTS).write_bytes(content)
    line = refusal(saved)
    assert line.startswith(f"DIR/{WEIGHTS} is damaged, or no file of weights: ")
    assert reason in line


def test_weights_that_broke_off(saved: Path) -> None:
    os.truncate(saved / WEIGHTS, (saved / WEIGHTS).stat().st_size - 10)
    assert refusal(saved).startswith(f"DIR/{WEIGHTS} is damaged")


def test_a_file_without_weights_does_not_leave_them_to_chance(saved: Path) -> None:
    (saved / WEIGHTS).write_bytes(weights({}))
    assert refusal(saved) == f"DIR has no weights: {WEIGHTS} holds none"


class Harm:
    """What a pickle can do: leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("folder", ["", "1_InstructionMaskedPooling"])
def test_pickled_weights_are_never_read(saved: Path, tmp_path: Path, folder: str) -> None:
    if not folder:
        (saved / WEIGHTS).unlink()
    (saved / folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Harm(tmp_path / "harm")}))
    line = refusal(saved)
    assert line.startswith(
        f"{Path('DIR') / folder} has no weights as .safetensors, and those in pytorch_model.bin"
    )
    assert line.endswith("and save it with save_pretrained")
    assert not (tmp_path / "harm").exists()


def test_pickled_weights_beside_others_are_left_alone(saved: Path, tmp_path: Path) -> None:
    want = youtu_st.load(saved).encode_query(["a"])
    (saved / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Harm(tmp_path / "harm")}))
    assert (youtu_st.load(saved).encode_query(["a"]) == want).all()
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "index", ["[", DEEP, "[]", "{}", '{"weight_map": 5}', '{"weight_map": {"a": "../../x"}}']
)
def test_an_index_of_shards_that_is_none(saved: Path, index: str) -> None:
    (saved / WEIGHTS).unlink()
    (saved / f"{WEIGHTS}.index.json").write_text(index)
    assert refusal(saved).startswith("cannot load 'DIR': ")


@pytest.mark.parametrize(
    "name", ["x" * 5000, "~nobody-of-that-name", "a\0b", "a/b\0", "\x1b]52;c;eA==\x07", "~nobody/x"]
)
def test_names_that_no_model_can_have(name: str) -> None:
    with pytest.raises(YoutuError) as caught:
        youtu_st.load(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_folder_that_may_not_be_read(saved: Path) -> None:
    saved.chmod(0)
    try:
        if os.access(saved, os.R_OK):
            pytest.skip("this user may read everything")
        assert refusal(saved) == "DIR cannot be read: permission denied"
    finally:
        saved.chmod(0o755)
