"""What all tables of options share: old names still work, and each mistake names its option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import Self

from edgeclf.errors import ConfigError
from edgeclf.renamed import OPTIONS, VALUES
from edgeclf_runtime.renamed import in_new_names, warn_about

__all__ = ["Options", "mistakes"]


class Options(BaseModel):
    """Options that Python code may still set and read by their old names, listed in ``edgeclf.renamed``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, **options: Any) -> None:
        super().__init__(**_by_new_names(type(self), options))

    # Without this, pydantic also calls __init__ for JSON input and treats its values as Python objects.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        return super().model_validate(_by_new_names(cls, obj) if isinstance(obj, dict) else obj, **options)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            new = OPTIONS.get(name)
            if new not in type(self).model_fields:
                return super().__getattr__(name)
            warn_about([f"{name} is called {new} now"])
            value, old = getattr(self, new), {now: before for before, now in VALUES.get(new, {}).items()}
            return tuple(old.get(item, item) for item in value) if isinstance(value, tuple) else old.get(value, value)


def mistakes(error: ValidationError) -> list[tuple[str, str]]:
    """Return option and message for each mistake; the option is empty if options contradict each other."""
    return [
        (".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, ").rstrip("."))
        for item in error.errors()
    ]


def _by_new_names(kind: type[BaseModel], options: dict[str, Any]) -> dict[str, Any]:
    """Return options by their new names; raise ConfigError if one is given by both names."""
    names = {old: new for old, new in OPTIONS.items() if new in kind.model_fields}
    options, notices, wrong = in_new_names(options, names, VALUES)
    if wrong:
        raise ConfigError(f"Options: {'; '.join(wrong)}.")
    warn_about(notices)
    return options
