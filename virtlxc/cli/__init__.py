"""The command ``virtlxc``: virsh's names, options, output and exit status, without libvirt."""
