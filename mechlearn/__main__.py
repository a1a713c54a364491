"""``python -m mechlearn``, the same as the command ``mechlearn``."""

from mechlearn.cli import main

if __name__ == "__main__":
    main()
