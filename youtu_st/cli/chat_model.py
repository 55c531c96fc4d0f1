"""The chat model that a user names: an object of a Python file or module, or one of LangChain's providers."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import UsageError
from youtu_st.errors import MissingDependencyError, brief, did_you_mean

if TYPE_CHECKING:
    from youtu_st.training.synthesis.asking import ChatModel

_PROVIDERS = "langchain.chat_models"
_FORMS = "chat.py:model (an object or a function of a Python file), package.module:model, or openai:gpt-..."


def load_chat_model(named: str) -> tuple[ChatModel, str]:
    """A chat model by what stands before and after the first colon, and its name for a journal.

    Args:
        named: ``FILE.py:NAME`` or ``MODULE:NAME``, where NAME is a chat model, or a class or function that
            gives one; or ``PROVIDER:MODEL``, as LangChain's ``init_chat_model`` takes it.

    Raises:
        UsageError: If it is none of these, or what it names is no chat model.
        MissingDependencyError: If it is a provider, and LangChain is not installed.
    """
    file, is_file, after = named.rpartition(".py:")
    before, _, rest = named.partition(":")
    if not before or not (after if is_file else rest):
        raise UsageError(f"--chat must be {_FORMS}, not {brief(named)}")
    if is_file:
        path = Path(f"{file}.py")
        found, name = _attribute(_file(path), str(path), after), f"{path.name}:{after}"
    else:
        module, name = _module(before), named
        if module is not None and (hasattr(module, rest) or "." in before):
            found = _attribute(module, before, rest)
        else:  # a provider's own package may be installed too, as `openai` is
            found = _provided(named, module)
    if not callable(getattr(found, "invoke", None)):
        kind = type(found).__name__
        raise UsageError(f"--chat {named}: it must be a chat model with a method 'invoke', and is a {kind}")
    own = next((own for own in (getattr(found, key, None) for key in ("model_name", "model")) if own), "")
    return found, f"{name} ({own})" if isinstance(own, str) and own and not name.endswith(own) else name


def _file(path: Path) -> ModuleType:
    """The module that a file is."""
    if not path.is_file():
        raise UsageError(f"--chat {path}: there is no such file")
    spec = importlib.util.spec_from_file_location(f"youtu_st_chat_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--chat {path}: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its classes look for their annotations
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"--chat {path}: running it fails: {_told(error)}") from error
    return module


def _module(name: str) -> ModuleType | None:
    """An installed module. None: there is none of that name."""
    if not all(map(str.isidentifier, name.split("."))):
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        raise UsageError(f"--chat {name}: importing it fails: {_told(error)}") from error
    except Exception as error:
        raise UsageError(f"--chat {name}: importing it fails: {_told(error)}") from error


def _attribute(module: ModuleType, where: str, name: str) -> Any:
    """What goes by a name in a module; of a class or a function what it gives."""
    if not hasattr(module, name):
        public = [known for known in vars(module) if not known.startswith("_")]
        raise UsageError(
            f"--chat {where}: there is no {brief(name)} in it: {did_you_mean(name, public)}give {_FORMS}"
        )
    found = getattr(module, name)
    if isinstance(found, type) or (callable(found) and not hasattr(found, "invoke")):
        try:
            return found()
        except Exception as error:
            raise UsageError(f"--chat {where}:{name}: calling it fails: {_told(error)}") from error
    return found


def _provided(named: str, module: ModuleType | None) -> Any:
    """A provider's model, as LangChain gives it; ``module`` goes by the provider's name, if there is one."""
    # By its name: this package stands on no framework, and a user who has one may use it here.
    providers = _module(_PROVIDERS)
    if providers is None:
        before, _, after = named.partition(":")
        if module is not None and after.isidentifier():
            return _attribute(module, before, after)
        raise MissingDependencyError(
            f"--chat {named}: there is no such module, and for a provider the package 'langchain' must be "
            "installed: pip install langchain, and the provider's own, such as langchain-openai"
        )
    try:
        return providers.init_chat_model(named)
    except Exception as error:
        raise UsageError(f"--chat {named}: LangChain cannot give it: {_told(error)}") from error


def _told(error: Exception) -> str:
    """What went wrong, without what is a secret or looks like one."""
    from youtu_st.training.synthesis.asking import told

    return told(error)
