"""`python -m kaskad`: the command `kaskad`, where it is not on the path."""

from kaskad.cli import main

if __name__ == "__main__":
    main()
