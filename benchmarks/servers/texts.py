"""What is sent: SciFact's questions and abstracts; and whose weights encode them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from encoding.texts import DATA, abstracts, queries

INSTRUCTED = "minilm-instructed"
QUESTIONS, ABSTRACTS = 1000, 2048
MISSING = "../shared/data/scifact is not there, whose questions and abstracts are sent"
TOPICS = """animals art blood books bones brain cancer cells children cities climate cooking energy fish food
health heart history language law light market medicine money music plants school sleep sport trade water
women"""
INSTRUCTIONS = [f"find papers about {topic}" for topic in TOPICS.split()]
"""32 of the same length."""


def questions() -> list[str]:
    """Short texts, as users ask them; all are different."""
    return queries(QUESTIONS)


def documents() -> list[str]:
    """Titles with abstracts; most are longer than the model's 256 tokens."""
    return abstracts(ABSTRACTS)


def there() -> bool:
    return (DATA / "scifact" / "corpus.jsonl").is_file()


def stock_directory() -> str:
    """The directory of the real MiniLM, as sentence-transformers saved it."""
    from youtu_st.spec.model import load_spec

    package = load_spec("minilm").package
    assert package is not None
    return str(files(package.module).joinpath(package.path))


def write_instruction_spec(path: Path) -> Path:
    """MiniLM's spec with a template, so that it takes instructions; its weights know nothing of them."""
    import yaml

    from youtu_st.spec.model import load_spec

    changed = load_spec("minilm").model_dump(mode="json", exclude_none=True)
    changed |= {"name": INSTRUCTED, "template": "Instruct: {instruction}\nQuery: "}
    for only_of_minilm in ("package", "sha256", "figures"):
        changed.pop(only_of_minilm, None)
    path.write_text(yaml.safe_dump(changed, allow_unicode=True), "utf-8")
    return path
