"""The crash test: the whole server is killed under load, and what left it is counted outside."""
