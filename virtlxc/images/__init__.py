"""Root filesystems: templates that make one, and the domain XML that goes with it."""
