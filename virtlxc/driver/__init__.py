"""What libvirt calls a driver: domains, networks, images; their state, locks, jobs and events.

:class:`virtlxc.driver.driver.Driver` is the way in; :mod:`virtlxc.driver.domain.domains` lists the
calls about domains. Here stand the parts that all others use; the others by their subject:

- domain/ what is defined, and what is known of it
- life/ starts, ends and all between
- change/ what changes while a domain exists
- inside/ what reaches into a running container
- figures/ states and statistics
- network/, storage/ virtual networks; pools and volumes
- node/ the host
"""
