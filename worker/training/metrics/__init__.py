"""How good outputs are: metrics of batches and of epochs."""
