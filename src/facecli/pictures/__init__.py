"""Pictures in, records out: sources, the batch, and what is written of each picture."""
