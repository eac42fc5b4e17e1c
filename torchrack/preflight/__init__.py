"""What is looked at before the first change: facts of a host, and pure checks that judge them."""
