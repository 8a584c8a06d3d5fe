"""What a domain is to the driver: its definitions, its state on disk, its place among others."""
