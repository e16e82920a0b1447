"""The life of a run: its states, what workers and people do to it, what its report leaves behind."""
