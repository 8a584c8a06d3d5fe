"""Many definitions at once: what they are, how they differ from what is there, what to do first.

Pure: files are read and daemons are asked by whoever calls (see docs/decisions/0022).
"""

from __future__ import annotations
