"""Files of arrays and checkpoints, byte for byte MXNet's."""
