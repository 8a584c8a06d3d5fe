"""Configurations of the LXC tools (lxc.container.conf(5)), in both directions."""
