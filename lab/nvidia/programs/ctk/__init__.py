"""nvidia-ctk, for the simulated driver."""
