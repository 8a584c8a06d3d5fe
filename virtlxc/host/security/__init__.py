"""The lines of defence: id maps, capabilities."""
