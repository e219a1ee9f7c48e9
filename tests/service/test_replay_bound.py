"""The book of a key's nonces by itself: what it says, and what is drawn into it."""

import pytest

from vestry_service.replay_bound import HOUR, Book, Bound, rounded_up

NOW = 1_795_543_205


def test_a_book_reads_what_it_wrote() -> None:
    """Nothing is lost on the way, and what has ended by then is left out."""
    book = Book.read(None, NOW)
    assert (book.sum, book.write()) == (0, b"")
    book.enter(97, 30, NOW)
    book.enter(97, 31, NOW)
    book.enter(1, 7200, NOW)
    assert Book.read(book.write(), NOW) == book
    assert book.sum == 195
    assert Book.read(book.write(), NOW + 60).sum == 1


@pytest.mark.parametrize(("life", "step"), [(1, 60), (420, 60), (HOUR, 60), (HOUR + 1, 1800), (86_400, 1800)])
def test_an_end_is_rounded_up(life: int, step: int) -> None:
    """A nonce counts for a little too long, and never too short."""
    end = rounded_up(NOW + life, life)
    assert 0 <= end - (NOW + life) < step
    assert end % step == 0


def test_a_book_stays_short() -> None:
    """Whoever signs for every length of life there can be makes a book of some hundred pairs at most."""
    book = Book.read(None, NOW)
    for life in range(1, 86_400 + 2 * HOUR, 7):
        book.enter(1, life, NOW)
    assert len(book.ends) < 130


@pytest.mark.parametrize("most", [1, 2, 1024, 2047])
def test_a_small_bound_draws_every_nonce(most: int) -> None:
    """So it is exact."""
    chances = iter((0.0, 0.5, 0.999999))
    assert [Bound(most).draw(chances.__next__) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(("most", "weight"), [(2048, 2), (100_000, 97), (10**9, 976562)])
def test_a_large_bound_draws_one_for_many(most: int, weight: int) -> None:
    """As often as it counts for: on the average nothing is lost or gained."""
    chances = iter([step / 10_000 for step in range(10_000)])
    draws = [Bound(most).draw(chances.__next__) for _ in range(10_000)]
    assert abs(sum(draws) - 10_000) <= weight
    assert set(draws) == {0, weight}
