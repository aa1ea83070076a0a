"""What may be expected of a cascade before it runs: rates by what has happened, and what follows."""
