"""Many runs: read from their directories, made by a sweep, compared. Nothing but the command line knows it."""
