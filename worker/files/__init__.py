"""Files of arrays and checkpoints, byte for byte as MXNet writes them; other programs' files are in formats/."""
