"""A new fleet's repository: what is asked for, and what is written."""
