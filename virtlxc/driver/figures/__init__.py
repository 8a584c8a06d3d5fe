"""What is told of a domain: its state in figures, and its statistics."""
