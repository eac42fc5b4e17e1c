"""Torchrack: GPU servers from bare to running PyTorch, declared, proven and kept."""
