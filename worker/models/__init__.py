"""The networks that a run can train, one a file."""
