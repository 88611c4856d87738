"""`python -m pushgrad.launch` is `launch`."""

from .cli import main

main()
