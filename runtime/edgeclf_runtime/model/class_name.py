"""Check the names of classes, which are also names of folders."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.system.plain_text import is_label

__all__ = ["check_class_name", "is_part", "same_class"]

_ANSWER = "unknown"  # ``prediction.UNKNOWN``, in a room above this one
_LONGEST = 60  # characters; a folder's name can have 255 bytes
_PARTS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})


def check_class_name(name: str) -> str:
    """Return a name in Unicode form NFC, without surrounding space, that is valid as a class folder for training.

    Raises:
        UsageError: empty, too long, hidden, with path separators, the name of a split such as "train", or "unknown".
    """
    name = unicodedata.normalize("NFC", name.strip())
    if not name or len(name) > _LONGEST or len(name.encode("utf-8", "replace")) > 4 * _LONGEST:
        raise UsageError(f"A class has a name of 1 to {_LONGEST} characters.")
    if not is_label(name) or any(sign in name for sign in '/\\:*?"<>|'):
        raise UsageError(f"{name!r}: a class's name is that of a folder, without any of / \\ : * ? \" < > |.")
    if name.startswith((".", "__")) or name.endswith("."):
        raise UsageError(f"{name!r}: a class's name begins with neither . nor __ and does not end with a dot.")
    if is_part(name):
        raise UsageError(f"{name!r}: a folder of this name would be taken for a part of the data set.")
    if name.casefold() == _ANSWER:
        raise UsageError(f"{name!r}: this is the answer for uncertain images. Choose another name.")
    return name


def same_class(name: str, others: Iterable[str]) -> str | None:
    """Return the class that differs from a name at most in its Unicode form or in case; None if there is none."""
    forms = {unicodedata.normalize("NFC", other): other for other in others}
    form = unicodedata.normalize("NFC", name.strip())
    return forms.get(form) or next((forms[each] for each in forms if each.casefold() == form.casefold()), None)


def is_part(name: str) -> bool:
    """Return whether ``edgeclf train`` would treat a folder of this name as a part of the split."""
    return name.lower() in _PARTS
