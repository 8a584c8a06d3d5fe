"""virtlxc runs Linux containers from libvirt domain XML."""

__version__ = "0.1.0"
