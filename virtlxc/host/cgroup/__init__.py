"""Control groups: where a domain lies, what is written there, which devices it may use."""
