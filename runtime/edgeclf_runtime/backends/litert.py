"""LiteRT, from the package ai-edge-litert."""

from __future__ import annotations

from typing import Any, Callable

from edgeclf_runtime.backends.interpreter import InterpreterBackend

__all__ = ["LiteRTBackend"]


class LiteRTBackend(InterpreterBackend):
    """Google's current interpreter; 64-bit systems only."""

    name = "litert"

    @staticmethod
    def library() -> tuple[Callable[..., Any], Callable[..., Any]]:
        from ai_edge_litert.interpreter import Interpreter, load_delegate

        return Interpreter, load_delegate
