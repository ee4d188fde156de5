"""`python -m bickford_sora` is the command `bickford-sora`."""

from bickford_sora.cli import main

if __name__ == "__main__":
    main()
