"""python -m hypav is the hypav command."""

from hypav.cli import main

main()
