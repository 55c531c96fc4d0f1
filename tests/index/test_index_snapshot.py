"""A snapshot is what was written and what the manifest's factory makes, or it is one clear error.

Files that may end a process are read in a process of their own, so that its end is seen.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from youtu_st.disk import checksum
from youtu_st.errors import IndexDamagedError, VectorIndexError
from youtu_st.index.nearest.vectors import VectorTable

pytestmark = pytest.mark.usefixtures("one_faiss_thread")

DIMENSION, COUNT = 16, 400
KEYS = np.arange(1, COUNT + 1)
KINDS = ["Flat", "HNSW8", "IVF4,Flat", "IVF4,PQ4x4", "PCA8,Flat", "SQ8", "SQ8,RFlat"]
RARE = [
    "IVF4,PQ4np", "IVF4_HNSW8,SQ8", "IVF16(PQ4x4),Flat", "OPQ4_8,IVF4,PQ4x4", "L2norm,HNSW8", "HNSW8_SQ8", "RR,Flat",
    "HR,SQ8", "Pad32,Flat", "PQ8x4fs", "IVF4,PQ8x4fs", "RQ2x4", "RQ4x4_Ncqint4", "RQ4x4_Nrq2x4", "LSQ2x4",
    "PRQ2x2x4", "PLSQ2x2x4fs", "IVF4,RQ2x4", "RaBitQ", "RaBitQfs", "IVF4,RaBitQ", "IVF4,RaBitQfs",
    "IVF4,FlatPanorama4", "IVF4,PQ4x4,Refine(SQ8)",
]  # fmt: skip


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rows = np.random.default_rng(5).standard_normal((COUNT, DIMENSION), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def filled(factory: str, vectors: np.ndarray) -> VectorTable:
    table = VectorTable(factory, DIMENSION)
    table.add(KEYS[: len(vectors)], vectors)
    if table.needs_training:
        table.train()
    return table


def read(factory: str, path: Path, expected: int | None = None) -> VectorTable:
    table = VectorTable(factory, DIMENSION)
    table.read(path, expected)
    return table


def write_labelled(index: Any, path: Path, keys: np.ndarray | None = None) -> None:
    """Write whatever index as if it were ours."""
    labelled = faiss.IndexIDMap(faiss.IndexFlatIP(index.d))
    labelled.index, labelled.own_fields, labelled.ntotal = index, False, index.ntotal
    faiss.copy_array_to_vector(np.arange(1, index.ntotal + 1) if keys is None else keys, labelled.id_map)
    faiss.write_index(labelled, str(path))


# -- what was written is read ----------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [*KINDS, *RARE])
def test_a_snapshot_is_read_as_it_was_written(tmp_path: Path, vectors: np.ndarray, factory: str) -> None:
    table, path = filled(factory, vectors), tmp_path / "vectors-1.faiss"
    written = table.write(path)
    assert written == checksum(path.read_bytes())
    faiss.read_index(str(path))  # plain FAISS reads it too
    for expected in (written, None):
        again = read(factory, path, expected)
        assert again.keys.tolist() == KEYS.tolist()
        assert not again.needs_training
        assert again.search(vectors[:20], 5) == table.search(vectors[:20], 5)
    assert (
        again.write(tmp_path / "again") == written or "IVF" in factory
    )  # those may have a map beside the lists


@pytest.mark.parametrize("factory", ["Flat", "HNSW8", "IVF4,Flat", "PQ8x4fs"])
@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_snapshot_and_one_of_a_single_vector(
    tmp_path: Path, vectors: np.ndarray, factory: str, count: int
) -> None:
    table = VectorTable(factory, DIMENSION)  # Flat stands in where training is needed
    table.add(KEYS[:count], vectors[:count])
    expected = table.write(tmp_path / "vectors-1.faiss")
    again = read(factory, tmp_path / "vectors-1.faiss", expected)
    assert again.keys.tolist() == KEYS[:count].tolist()
    assert again.needs_training == (factory in ("IVF4,Flat", "PQ8x4fs"))


@pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat"])
def test_a_snapshot_that_cannot_be_written_is_an_error(vectors: np.ndarray, factory: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no full device here")
    with pytest.raises(VectorIndexError, match=r"/dev/full cannot be written: .*No space left"):
        filled(factory, vectors).write(Path("/dev/full"))


# -- the checksum ----------------------------------------------------------------------------------------


def damaged(good: bytes, random: np.random.Generator) -> bytes:
    """One way in which bytes go wrong."""
    content, how = bytearray(good), random.integers(6)
    place = int(
        random.choice(
            [random.integers(len(good)), random.integers(400), len(good) - 1 - random.integers(400)]
        )
    )
    number = int(random.choice([0, 1, 2, 255, 10**9, -1, COUNT - 1, COUNT + 1, 1 << 31, 1 << 40, 1 << 62]))
    if how == 0:
        content[place] ^= 1 << random.integers(8)
    elif how == 1:
        content[place : place + 4] = (number % (1 << 32)).to_bytes(4, "little")
    elif how == 2:
        content[place : place + 8] = (number % (1 << 64)).to_bytes(8, "little")
    elif how == 3:
        del content[place:]
    elif how == 4:
        content[place:place] = content[place : place + 12]
    else:
        del content[place : place + 4]
    return bytes(content)


@pytest.mark.parametrize("factory", KINDS)
def test_with_a_checksum_every_change_is_found(tmp_path: Path, vectors: np.ndarray, factory: str) -> None:
    path = tmp_path / "vectors-1.faiss"
    expected = filled(factory, vectors).write(path)
    good, random = path.read_bytes(), np.random.default_rng(1)
    for _ in range(60):
        bad = damaged(good, random)
        path.write_bytes(bad)
        if bad != good:
            with pytest.raises(
                IndexDamagedError, match=r"vectors-1\.faiss is damaged: .*index check .* --repair"
            ):
                read(factory, path, expected)
    path.write_bytes(good)
    with pytest.raises(IndexDamagedError, match="its checksum is not that of what was written"):
        read(factory, path, expected + 1)


WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import faiss, numpy as np, test_index_snapshot as cases
from youtu_st.errors import IndexDamagedError

faiss.omp_set_num_threads(1)
folder, factory, seed, rounds = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
vectors = np.load(folder / "vectors.npy")
path, found = folder / "vectors-1.faiss", {"damaged": 0, "opened": 0}
cases.filled(factory, vectors).write(path)
good, random = path.read_bytes(), np.random.default_rng(seed)
for _ in range(rounds):
    path.write_bytes(cases.damaged(good, random))
    try:
        table = cases.read(factory, path)
    except IndexDamagedError:
        found["damaged"] += 1
        continue
    found["opened"] += 1
    for start in range(0, len(table), 50):
        table.search(vectors[start : start + 50], 10)
        table.search(vectors[start : start + 3], 10, table.keys[::2])
    table.discard(table.keys[::3])
    table.compact()
    table.add(table.keys[-1:] + 1, vectors[:1])
    table.search(vectors[:50], 10)
print(found["damaged"] > 0, found["damaged"] + found["opened"])
"""


def survives(folder: Path, vectors: np.ndarray, factory: str, seed: int, rounds: int) -> None:
    np.save(folder / "vectors.npy", vectors)
    command = [sys.executable, "-W", "ignore", "-c", WORKER, str(Path(__file__).parent), str(folder)]
    done = subprocess.run(
        [*command, factory, str(seed), str(rounds)],
        env={**os.environ, "MALLOC_PERTURB_": "165"},  # freed memory is not what it was
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"True {rounds}\n"), done.stderr[-2000:]


@pytest.mark.parametrize("factory", KINDS)
def test_without_a_checksum_no_change_ends_the_process(
    tmp_path: Path, vectors: np.ndarray, factory: str
) -> None:
    survives(tmp_path, vectors, factory, seed=2, rounds=60)


@pytest.mark.slow
@pytest.mark.parametrize("factory", [*KINDS, *RARE])
def test_without_a_checksum_many_changes_of_every_kind_end_no_process(
    tmp_path: Path, vectors: np.ndarray, factory: str
) -> None:
    survives(tmp_path, vectors, factory, seed=3, rounds=300)


# -- what is not a snapshot ------------------------------------------------------------------------------


def test_only_a_regular_file_is_opened(tmp_path: Path, vectors: np.ndarray) -> None:
    filled("Flat", vectors).write(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "folder").mkdir()
    names = ["link", "folder"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
        names.append("pipe")
    for name in names:
        with pytest.raises(IndexDamagedError, match=f"{name} is damaged: it is not a regular file"):
            read("Flat", tmp_path / name)
    with pytest.raises(FileNotFoundError):  # a writer was faster: no damage
        read("Flat", tmp_path / "gone")


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links as POSIX has them")
def test_a_snapshot_is_not_written_through_a_link(tmp_path: Path, vectors: np.ndarray) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "vectors-1.faiss.tmp").symlink_to("victim")
    with pytest.raises(VectorIndexError, match="cannot be written"):
        filled("Flat", vectors).write(tmp_path / "vectors-1.faiss.tmp")
    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions as POSIX has them")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, vectors: np.ndarray) -> None:
    if os.getuid() == 0:
        pytest.skip("root may read anything")
    filled("Flat", vectors).write(tmp_path / "vectors-1.faiss")
    (tmp_path / "vectors-1.faiss").chmod(0)
    with pytest.raises(IndexDamagedError, match="it cannot be read .Permission denied"):
        read("Flat", tmp_path / "vectors-1.faiss")


# -- another index ---------------------------------------------------------------------------------------


def plain(factory: str, vectors: np.ndarray, metric: int = faiss.METRIC_INNER_PRODUCT) -> Any:
    index = faiss.index_factory(DIMENSION, factory, metric)
    if not index.is_trained:
        index.train(vectors)
    index.add(vectors)
    return index


@pytest.mark.parametrize(
    ("factory", "held"),
    [
        ("Flat", "HNSW8"), ("HNSW8", "HNSW4"), ("HNSW8", "Flat"), ("IVF4,Flat", "IVF8,Flat"), ("IVF4,Flat", "IVF4,SQ8"),
        ("IVF4,PQ4x4", "IVF4,PQ4x5"), ("IVF4,PQ4x4", "IVF4,PQ8x4"), ("PCA8,Flat", "PCA4,Flat"), ("PCA8,Flat", "RR8,Flat"),
        ("SQ8", "SQ4"), ("SQ8,RFlat", "SQ8"), ("SQ8,RFlat", "Flat,RFlat"), ("IVF4_HNSW8,Flat", "IVF4,Flat"),
        ("Flat", "IDMap,Flat"), ("RQ2x4", "RQ2x5"), ("Pad32,Flat", "Pad64,Flat"), ("PQ8x4fs", "PQ8x4fs_64"),
    ],
)  # fmt: skip
def test_another_index_than_the_factory_makes_is_an_error(
    tmp_path: Path, vectors: np.ndarray, factory: str, held: str
) -> None:
    path = tmp_path / "vectors-1.faiss"
    if held.startswith("IDMap"):
        index = faiss.IndexIDMap(faiss.IndexFlatIP(DIMENSION))
        index.add_with_ids(vectors, KEYS)
    else:
        index = plain(held, vectors)
    write_labelled(index, path)
    with pytest.raises(IndexDamagedError, match="factory|are needed"):
        read(factory, path)


@pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat", "SQ8", "HNSW8", "IVF4,PQ4x4", "PCA8,Flat"])
def test_another_metric_is_an_error_and_no_other_ranking(
    tmp_path: Path, vectors: np.ndarray, factory: str
) -> None:
    path = tmp_path / "vectors-1.faiss"
    write_labelled(plain(factory, vectors, faiss.METRIC_L2), path)
    with pytest.raises(IndexDamagedError, match="where the factory"):
        read(factory, path)
    if factory.startswith("IVF"):  # the metric of the lists alone
        index = plain(factory, vectors)
        index.quantizer.metric_type = faiss.METRIC_L2
        write_labelled(index, path)
        with pytest.raises(IndexDamagedError, match="where the factory"):
            read(factory, path)


def test_keys_ascend_from_one(tmp_path: Path, vectors: np.ndarray) -> None:
    path = tmp_path / "vectors-1.faiss"
    for keys in ([2, 1, 3], [1, 1, 2], [0, 1, 2], [-5, 1, 2]):
        write_labelled(plain("Flat", vectors[:3]), path, np.array(keys))
        with pytest.raises(IndexDamagedError, match="its labels are not keys in ascending order"):
            read("Flat", path)


# -- files that were made to do harm ---------------------------------------------------------------------

HEAD = struct.Struct("<4siqqq?i")


def head(name: str, count: int = 0) -> bytes:
    return HEAD.pack(name.encode(), DIMENSION, count, 1 << 20, 1 << 20, True, 0)


def in_graph(change: Callable[[Any], None]) -> Callable[[np.ndarray, Path], None]:
    def craft(vectors: np.ndarray, path: Path) -> None:
        index = plain("HNSW8", vectors)
        change(index.hnsw)
        write_labelled(index, path)

    return craft


def of(vector: Any) -> np.ndarray:
    return faiss.rev_swig_ptr(vector.data(), vector.size())  # type: ignore[no-any-return]


def far_neighbours(graph: Any) -> None:
    of(graph.neighbors)[:] = 10**9


def entry_below_its_level(graph: Any) -> None:
    graph.entry_point = int(np.flatnonzero(of(graph.levels) == 1)[-1])


def links_between_levels(graph: Any) -> None:
    high = int(np.flatnonzero(of(graph.levels) > 1)[0])
    low = int(np.flatnonzero(of(graph.levels) == 1)[-1])
    of(graph.neighbors)[int(of(graph.offsets)[high]) + graph.cum_nb_neighbors(1)] = low


def in_lists(ids: Callable[[np.ndarray], Any]) -> Callable[[np.ndarray, Path], None]:
    def craft(vectors: np.ndarray, path: Path) -> None:
        index = plain("IVF4,Flat", vectors)
        held = faiss.rev_swig_ptr(index.invlists.get_ids(0), index.invlists.list_size(0))
        held[:] = ids(held)
        write_labelled(index, path)

    return craft


def short(factory: str, name: str) -> Callable[[np.ndarray, Path], None]:
    def craft(vectors: np.ndarray, path: Path) -> None:
        index = plain(factory, vectors)
        part = faiss.downcast_VectorTransform(index.chain.at(0)) if name == "A" else index
        getattr(part, name).resize(DIMENSION * 2)
        write_labelled(index, path)

    return craft


def remapped(vectors: np.ndarray, path: Path) -> None:
    write_labelled(plain("Pad32,Flat", vectors), path)
    content = bytearray(path.read_bytes())
    place = content.index(b"RmDT") + 12
    content[place : place + 4] = (10**9).to_bytes(4, "little")
    path.write_bytes(content)


def bytes_of(content: bytes) -> Callable[[np.ndarray, Path], None]:
    def craft(vectors: np.ndarray, path: Path) -> None:
        path.write_bytes(content)

    return craft


def flat(count: int, rows: int, keys: int) -> bytes:
    """An index of vectors that are 0, with as many rows and keys as one likes."""
    numbers = rows * DIMENSION
    labels = np.arange(1, keys + 1, dtype="<i8").tobytes()
    parts = head("IxMp", count), head("IxFI", count), struct.pack("<Q", numbers), bytes(4 * numbers)
    return b"".join([*parts, struct.pack("<Q", keys), labels])


HUGE = 10**18
HARMFUL = {
    "nested labels": ("Flat", bytes_of(head("IxMp") * 100_000)),
    "nested transforms": ("PCA8,Flat", bytes_of(head("IxMp") + (head("IxPT") + bytes(4)) * 100_000)),
    "nested refinements": ("SQ8,RFlat", bytes_of(head("IxMp") + head("IxRF") * 100_000)),
    "nested lists": ("IVF4,Flat", bytes_of(head("IxMp") + (head("IwFl") + struct.pack("<qq", 4, 1)) * 100_000)),
    "too few rows": ("Flat", bytes_of(flat(40, 20, 40))),
    "too many rows": ("Flat", bytes_of(flat(40, 60, 40))),
    "too few keys": ("Flat", bytes_of(flat(40, 40, 39))),
    "a negative count": ("Flat", bytes_of(flat(-1, 0, 0))),
    "10^18 vectors": (
        "Flat", bytes_of(head("IxMp", HUGE) + head("IxFI", HUGE) + struct.pack("<Q", HUGE * DIMENSION))),
    "64 GB of zeros": (
        "Flat", bytes_of(head("IxMp", 10**9) + head("IxFI", 10**9) + struct.pack("<Q", 10**9 * DIMENSION))),
    "10^18 lists": (
        "IVF4,Flat", bytes_of(head("IxMp") + head("IwFl") + struct.pack("<qq", HUGE, 1) + head("IxFI") + bytes(8))),
    "far neighbours": ("HNSW8", in_graph(far_neighbours)),
    "a low entry": ("HNSW8", in_graph(entry_below_its_level)),
    "links between levels": ("HNSW8", in_graph(links_between_levels)),
    "far ids": ("IVF4,Flat", in_lists(lambda ids: 10**15)),
    "negative ids": ("IVF4,Flat", in_lists(lambda ids: -1)),
    "ids named twice": ("IVF4,Flat", in_lists(lambda ids: ids[0])),
    "short codes": ("SQ8", short("SQ8", "codes")),
    "short fast codes": ("PQ8x4fs", short("PQ8x4fs", "codes")),
    "a short matrix": ("PCA8,Flat", short("PCA8,Flat", "A")),
    "a far dimension": ("Pad32,Flat", remapped),
}  # fmt: skip

OPEN = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_index_snapshot as cases, numpy as np
from youtu_st.errors import IndexDamagedError

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    table = cases.read(sys.argv[3], Path(sys.argv[2]))
    for _ in range(20):
        table.search(np.eye(16, dtype=np.float32), 10)
    print("opened")
except IndexDamagedError as error:
    print(str(error).replace(sys.argv[2], "FILE"))
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown >> 10 < 200, file=sys.stderr)
"""


def opened(path: Path, factory: str, *before: str) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-c", OPEN, str(Path(__file__).parent), str(path), factory]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="looks at the memory as POSIX tells it")
@pytest.mark.parametrize("harm", HARMFUL)
def test_a_file_that_was_made_to_do_harm_is_one_error(tmp_path: Path, vectors: np.ndarray, harm: str) -> None:
    factory, craft = HARMFUL[harm]
    craft(vectors, tmp_path / "vectors-1.faiss")
    done = opened(tmp_path / "vectors-1.faiss", factory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FILE is damaged: ")
    assert len(done.stdout) < 600
    assert done.stdout.count("\n") == 1
    assert done.stderr == "True\n"  # it took no memory to speak of


def on_disk(folder: Path, vectors: np.ndarray, victim: Path, *, in_quantizer: bool) -> Path:
    """An index whose inverted lists lie in another file, as it says; FAISS would open that for writing."""
    index = plain("IVF4,Flat", vectors)
    name = str(victim) + "~"  # one letter longer: FAISS makes it, the snapshot will name the victim
    lists = faiss.OnDiskInvertedLists(4, index.code_size, name)
    lists.merge_from_1(index.invlists)
    index.replace_invlists(lists)
    outer = index
    if in_quantizer:  # FAISS reads it without any flags
        outer = faiss.IndexIVFFlat(index, DIMENSION, COUNT, faiss.METRIC_INNER_PRODUCT)
        outer.is_trained = True
        outer.add(vectors)
    write_labelled(outer, folder / "vectors-1.faiss")
    content = (folder / "vectors-1.faiss").read_bytes()
    size, named = len(name), name.encode()
    assert struct.pack("<Q", size) + named in content
    content = content.replace(struct.pack("<Q", size) + named, struct.pack("<Q", size - 1) + named[:-1])
    (folder / "vectors-1.faiss").write_bytes(content)
    os.unlink(name)
    return folder / "vectors-1.faiss"


@pytest.mark.parametrize("in_quantizer", [False, True])
def test_no_other_file_is_opened(tmp_path: Path, vectors: np.ndarray, in_quantizer: bool) -> None:
    victim = tmp_path / "victim"
    path = on_disk(tmp_path, vectors, victim, in_quantizer=in_quantizer)
    victim.write_bytes(b"precious" * 100_000)
    os.utime(victim, (1, 1))
    done = opened(path, f"IVF{COUNT}(IVF4,Flat),Flat" if in_quantizer else "IVF4,Flat")
    assert "it holds 'ilod' where the factory makes 'ilar'" in done.stdout, done
    assert victim.read_bytes() == b"precious" * 100_000
    assert victim.stat().st_mtime == 1
    victim.unlink()
    opened(path, "IVF4,Flat")
    assert not victim.exists()  # nor made anew


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_system_is_not_asked_for_another_file(tmp_path: Path, vectors: np.ndarray) -> None:
    victim = tmp_path / "victim"
    path = on_disk(tmp_path, vectors, victim, in_quantizer=False)
    victim.write_bytes(b"precious" * 100_000)
    done = opened(path, "IVF4,Flat", "strace", "-f", "-o", str(tmp_path / "calls"), "-e", "trace=file")
    if done.returncode:
        pytest.skip("strace may not trace here")
    calls = (tmp_path / "calls").read_text()
    assert str(path) in calls
    assert str(victim) not in calls
