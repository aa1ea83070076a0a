"""What commands show while they work; each is loaded by its command only."""
