"""What reaches into a running container: consoles, programs, logs, questions about the guest."""
