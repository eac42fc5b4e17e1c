"""What is done to healthy hosts, by subject; see tests/lab/mutation.py."""
