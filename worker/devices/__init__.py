"""Which devices this machine has, whether they can be used, and how a batch is divided among them."""
