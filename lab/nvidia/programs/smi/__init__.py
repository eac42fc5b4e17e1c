"""nvidia-smi, for simulated GPUs."""
