"""The nearest right spelling."""

from __future__ import annotations

from collections.abc import Iterable


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` most likely stands for, or None when none is near."""
    # Only errors need it, and difflib is slow to import.
    from difflib import get_close_matches

    names = list(known)
    folded = {name.lower().replace("_", "").replace("-", ""): name for name in names}
    same = folded.get(word.lower().replace("_", "").replace("-", ""))
    if same is not None and same != word:
        return same
    near = get_close_matches(word, [name for name in names if name != word], n=1, cutoff=0.6)
    return near[0] if near else None
