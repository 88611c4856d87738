"""The entry point of `launch`, which is also `python -m pushgrad.launch`."""

from .signals import hold_announcements


def main() -> None:
    """Run the command and exit with its code. Batch systems may announce the end while the rest is being imported."""
    hold_announcements()
    from .cli import main as run_command

    run_command()


if __name__ == "__main__":
    main()
