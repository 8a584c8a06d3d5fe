"""libvirt's own compatibility suite against our daemon: ``python -m tests.tck``."""
