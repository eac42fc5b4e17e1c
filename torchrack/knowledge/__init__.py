"""What is known of drivers, CUDA, PyTorch and GPUs: tables in YAML, each row with its source."""

from torchrack.knowledge.load import KnowledgeError, builtin, load
from torchrack.knowledge.tables import Knowledge

__all__ = ["Knowledge", "KnowledgeError", "builtin", "load"]
