"""A LangChain chat model whose answers are scripted, and rows for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr, SecretStr


class Scripted(BaseChatModel):
    """Answers what a function makes of the data in the last message; counts its calls.

    Attributes:
        script: Gets the quoted JSON and the number of the call, from 0; gives a message's content, or raises.
        api_key: As real models have one.
        usage: Tokens of each answer.
    """

    script: Callable[[dict[str, Any], int], Any]
    api_key: SecretStr = SecretStr("not-to-be-told")
    usage: tuple[int, int] | None = None
    _prompts: list[list[str]] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def prompts(self) -> list[list[str]]:
        """The contents of the messages of each call."""
        return self._prompts

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with self._lock:
            number = len(self._prompts)
            self._prompts.append([str(message.content) for message in messages])
        content = self.script(asked(self._prompts[number]), number)
        told: dict[str, Any] = {}
        if self.usage:
            read, written = self.usage
            told["usage_metadata"] = {
                "input_tokens": read,
                "output_tokens": written,
                "total_tokens": read + written,
            }
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=content, **told))])


def asked(prompt: list[str]) -> dict[str, Any]:
    """The JSON object in a prompt's last message."""
    value, _ = json.JSONDecoder().raw_decode(prompt[-1])
    assert isinstance(value, dict)
    return value


def texts(*values: object) -> str:
    return json.dumps({"texts": values})
