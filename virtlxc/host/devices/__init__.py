"""The host's devices as sysfs shows them, in the terms of libvirt's node devices.

No udev is needed: what it would add (serial numbers, links, names from its database) is read from
its files where it runs.
"""
