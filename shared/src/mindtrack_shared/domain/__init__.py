"""Rules that need no database, queue or network: standard library and numpy only."""
