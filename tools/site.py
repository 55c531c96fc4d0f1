"""What ``make docs`` adds to the pages of docs/: the README and its like, and the API reference.

Pages link to each other and to files of the repository by relative paths, as a reader of the repository needs
them. Here a link to a page leads to that page, one to a module or a room to its reference, and one to another
file to a copy of it; a folder has no page, so its link becomes its text.
"""

from __future__ import annotations

import ast
import posixpath
import re
from functools import cache
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh/index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
ADAPTERS = ("langchain_youtu", "llama_index")
FIELDS = """
    options:
      docstring_options: {warn_unknown_params: false, warn_missing_types: false}
"""  # the arguments of a pydantic model are its fields, which stand in no signature
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):<code>~?([\w.]+)</code>")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The reference, after the pages that mkdocs.yml names."""
    config.nav.append({"Reference": ["reference/names.md", *(f"reference/{room}.md" for room in rooms())]})
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Every page with links that hold on the site, and the files that they lead to."""
    written = {f"docs/{file.src_uri}": file for file in files.documentation_pages()}
    linked: set[str] = set()
    for file in written.values():
        files.remove(file)
    for source, page in ({path: file.src_uri for path, file in written.items()} | PAGES).items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=rewritten(text, source, page, linked)))
    for path in sorted(linked):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, "reference/names.md", content=public_names()))
    for room, modules in rooms().items():
        files.append(File.generated(config, f"reference/{room}.md", content=reference_of(room, modules)))
    return files


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The roles in docstrings, such as ``:class:`Encoder```: links, where the reference has the name."""
    homes = {name: f"{home}.{name.rpartition('.')[2]}" for name, home in public_homes().items()}

    def link(found: re.Match[str]) -> str:
        owner, _, member = found[1].rpartition(".")
        target = homes.get(found[1]) or (f"{homes[owner]}.{member}" if owner in homes else found[1])
        return reference(target, found[1])

    return ROLE.sub(link, html)


def rewritten(text: str, source: str, page: str, linked: set[str]) -> str:
    """A page's text, its links as the site needs them.

    Args:
        text: Markdown; its fenced blocks stay as they are.
        source: The page's path in the repository.
        page: Its path on the site.
        linked: Gets the files of the repository that it links to.
    """

    def link(found: re.Match[str]) -> str:
        label, target, anchor = found[1], found[2], found[3] or ""
        if not target or ":" in target:
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        place = place_on_site(path)
        if place is None:
            return label
        if place == path:
            linked.add(path)
        return f"[{label}]({posixpath.relpath(place, posixpath.dirname(page) or '.')}{anchor})"

    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in FENCE.split(text))


def place_on_site(path: str) -> str | None:
    """Where a file or folder of the repository is on the site, if it is."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    for room, modules in rooms().items():
        for module, file in modules.items():
            if path == file:
                return f"reference/{room}.md#{module}"
        if path in {f"youtu_st/{room}", f"adapters/{room}"}:
            return f"reference/{room}.md"
    return path if (ROOT / path).is_file() else None


@cache
def rooms() -> dict[str, dict[str, str]]:
    """A page of the reference to its modules and their files; the command line has ``--help`` instead."""
    found: dict[str, dict[str, str]] = {}
    for package in ("youtu_st", *ADAPTERS):
        folder = ROOT / "adapters" if package in ADAPTERS else ROOT
        for file in sorted((folder / package).rglob("[!_]*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            room = package if package in ADAPTERS else parts[1]
            if room != "cli":
                found.setdefault(room, {})[".".join(parts)] = file.relative_to(ROOT).as_posix()
    return found


@cache
def module_files() -> dict[str, str]:
    """The modules of all those pages, and their files."""
    return {module: file for modules in rooms().values() for module, file in modules.items()}


@cache
def public_packages() -> dict[str, ast.Module]:
    """The packages that people import from, by their syntax: nothing is imported to write about it."""
    found = {}
    for folder in (ROOT, ROOT / "adapters"):
        for package in (folder / "youtu_st", *(folder / adapter for adapter in ADAPTERS)):
            for file in sorted(package.rglob("__init__.py")):
                name = ".".join(file.relative_to(folder).parent.parts)
                found[name] = ast.parse(file.read_text(encoding="utf-8"))
    del found["youtu_st.cli"]
    return found


@cache
def public_homes() -> dict[str, str]:
    """A public name, such as ``youtu_st.Encoder``, to the module that defines it."""
    return {
        f"{package}.{alias.name}": str(node.module)
        for package, tree in public_packages().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in module_files()
        for alias in node.names
    }


def public_names() -> str:
    """The page that lists what is imported from where."""
    parts = ["# What is imported from where"]
    for package, tree in public_packages().items():
        names = {name: home for name, home in public_homes().items() if name.rpartition(".")[0] == package}
        rows = [row(name.rpartition(".")[2], home) for name, home in sorted(names.items())]
        if any(rows):
            about = (ast.get_docstring(tree) or "").partition("\n\n")[0]
            parts += [f"## `{package}`", about, "\n".join(["| name | what it is |", "|---|---|", *rows])]
    return "\n\n".join(parts)


def row(name: str, home: str) -> str:
    """A line of that page: a name, and the first sentence of what its definition says of itself."""
    about = ""
    for node in ast.parse((ROOT / module_files()[home]).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            about = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
    return f"| {reference(f'{home}.{name}', name)} | {about} |"


def reference_of(room: str, modules: dict[str, str]) -> str:
    """A room's page: what its package says of itself, then each module."""
    package = public_packages().get(room if room in ADAPTERS else f"youtu_st.{room}")
    about = (ast.get_docstring(package) if package else None) or ""
    options = FIELDS if room in ADAPTERS else ""
    return "\n\n".join([f"# {room}", about, *(f"::: {module}{options}" for module in modules)])


def reference(target: str, name: str) -> str:
    """A link to a definition, or the name alone where the reference has no such definition."""
    return f'<autoref optional identifier="{target}"><code>{name}</code></autoref>'
