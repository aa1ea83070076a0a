"""Pages for people: rendered on the server, plain forms, no script."""
