"""The host's side of virtual networks: what is there, what a start does, and doing it.

facts      what the kernel has now (links, addresses, routes), read once a call
allocate   pure: the first free bridge name and subnet; who holds a taken one
plan       pure: a network start as a list of steps
rules      pure: the nft ruleset as text
dnsmasq    pure: its configuration as text; leases
firewall   pure: which firewall of others would drop the traffic, and the mend
iptables   pure: rules of the older iptables in the form of nft's
process    dnsmasq's process
perform    performs steps and their undos
netlink    the requests to the kernel, the only module that knows their bytes
"""
