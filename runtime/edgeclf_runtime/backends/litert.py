"""LiteRT, from the package ai-edge-litert."""

from __future__ import annotations

from typing import Any

from edgeclf_runtime.backends.interpreter import InterpreterBackend

__all__ = ["LiteRTBackend"]


class LiteRTBackend(InterpreterBackend):
    """Google's current interpreter; 64-bit systems only."""

    name = "litert"

    def _create(self, content: bytes, threads: int | None) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(model_content=content, num_threads=threads)
