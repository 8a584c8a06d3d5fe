"""Plans: what a start does, as data. Pure; see :func:`plan_start`."""

from __future__ import annotations

from virtlxc.plan.render import render
from virtlxc.plan.scene import StartOptions
from virtlxc.plan.start import plan_start
from virtlxc.plan.steps import Plan, Step

__all__ = ["Plan", "StartOptions", "Step", "plan_start", "render"]
