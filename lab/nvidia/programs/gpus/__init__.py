"""What the simulated programs share: GPU models, the loaded driver, the state that tests set."""
