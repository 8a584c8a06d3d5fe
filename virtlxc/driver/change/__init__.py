"""What changes while a domain exists: devices, limits, processors."""
