"""What libvirt calls a driver: domains, networks, images; their state, locks, jobs and events.

:class:`virtlxc.driver.driver.Driver` is the way in; :mod:`virtlxc.driver.domains` lists the calls.
"""
