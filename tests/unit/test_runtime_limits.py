"""Resource limits that the kernel does not grant."""

from __future__ import annotations

import errno
import resource
from typing import cast

import pytest

from virtlxc.runtime.ops.context import Context, StepError
from virtlxc.runtime.ops.identity import rlimit


def test_a_hard_limit_above_what_is_allowed_names_both_and_the_mend() -> None:
    # More descriptors than fs.nr_open can ever be: refused to root, too.
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(StepError) as caught:
        rlimit(cast(Context, None), name="nofile", hard=1 << 40)
    assert (caught.value.errno, caught.value.path) == (errno.EPERM, "nofile")
    assert caught.value.text.startswith(
        f"a hard limit of {1 << 40} is above this host's, which is {before[1]} (ask for less, or"
    )
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_a_soft_limit_above_the_hard_one_is_said() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    with pytest.raises(StepError, match="a soft limit of 2 is above the hard one, 1"):
        rlimit(cast(Context, None), name="core", soft=2, hard=1)
    assert resource.getrlimit(resource.RLIMIT_CORE) == (soft, hard)
