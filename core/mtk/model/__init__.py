"""What is trained: the shared encoder, and each task's head on it."""
