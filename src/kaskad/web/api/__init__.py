"""The API under /api/v1: one file a family of routes, each handler calling one function of `actions`."""
