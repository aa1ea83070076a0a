"""`kaskad demo`: an empty folder becomes a running installation, against the sandbox's world."""
