"""virtlxc as a service of the host: what systemd and OpenRC read, and how it gets there."""
