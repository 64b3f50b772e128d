"""A task's data: from files to columns of text, to token ids, to batches."""
