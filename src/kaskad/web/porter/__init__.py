"""Webhooks taken in a process of their own, where they come in numbers; `porter` says how."""
