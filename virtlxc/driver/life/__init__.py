"""The life of a run: started, watched, frozen, asked to end, killed, cleaned up, started again."""
