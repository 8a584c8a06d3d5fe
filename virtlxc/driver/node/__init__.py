"""The host itself: its processors and memory, devices, interfaces, and what starts need to know."""
