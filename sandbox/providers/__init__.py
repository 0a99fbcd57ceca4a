"""One file per provider: what it accepts, what it refuses and in which words."""
