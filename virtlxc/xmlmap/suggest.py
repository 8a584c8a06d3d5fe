"""The nearest right spelling."""

from __future__ import annotations

from collections.abc import Iterable


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` most likely stands for, or None when none is near.

    Near is one slip in three letters: a letter too many, missing or wrong, or two that changed
    places. Upper case, '-' and '_' make no difference.
    """
    names = [name for name in known if name != word]
    plain = _plain(word)
    best: str | None = None
    least = max(1, len(plain) // 3) + 1
    for name in names:
        distance = slips(plain, _plain(name), least)
        if distance < least:
            best, least = name, distance
    return best


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def slips(a: str, b: str, most: int) -> int:
    """How many slips turn ``a`` into ``b`` (Damerau's distance); ``most`` is returned for more."""
    if abs(len(a) - len(b)) >= most:
        return most
    older: list[int] = []
    above = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        older, above = above, row
    return min(above[-1], most)
