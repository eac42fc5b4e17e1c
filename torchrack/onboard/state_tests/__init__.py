"""The state tests, run for one host by a pytest of their own."""

from torchrack.onboard.state_tests.model import StateTest, StateTests
from torchrack.onboard.state_tests.run import SECONDS, Progress, run_state_tests

__all__ = ["SECONDS", "Progress", "StateTest", "StateTests", "run_state_tests"]
