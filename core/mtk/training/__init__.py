"""The loop around a step: optimizer, schedule, evaluation, and what a run leaves behind."""
