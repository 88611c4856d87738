"""Weights that torch.save wrote, read without torch and without running a pickle."""
