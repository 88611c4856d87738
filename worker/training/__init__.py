"""Training: FeedForward and mlp, the loop over epochs and steps, and what it needs."""
