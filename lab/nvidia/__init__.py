"""Simulated NVIDIA packages, their signed apt repositories, and the mirror that serves them."""
