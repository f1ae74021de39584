"""One item is prefetched."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edgeclf_runtime.system.ahead import Ahead


def test_all_items_come_in_order() -> None:
    with Ahead(range(500)) as ahead:
        assert list(ahead) == list(range(500))


def test_no_more_than_one_is_made_and_not_taken() -> None:
    made: list[int] = []
    asked = threading.Event()

    def items() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            asked.set()
            yield number

    with Ahead(items()) as ahead:
        assert asked.wait(5)
        ahead._thread.join(0.2)
        assert made == [0]
        assert list(ahead) == [0, 1, 2, 3, 4]


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    with Ahead(items()) as ahead:
        given = iter(ahead)
        assert next(given) == 1
        with pytest.raises(KeyError, match="two"):
            next(given)


def test_closing_ends_a_maker_that_waits_for_room() -> None:
    ahead = Ahead(range(100))
    assert next(iter(ahead)) == 0
    ahead.close()
    assert not ahead._thread.is_alive()
    assert list(ahead) == []
