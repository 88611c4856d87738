"""Compiled CPU kernels for float32; each agrees with the plain version of its operator."""
