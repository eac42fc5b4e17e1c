"""Count the GPUs that PyTorch can use and take a training step on each: prints a line of JSON."""

import faulthandler
import json
import time

# A GPU that hangs keeps even a signal from being seen; this watch is a thread of C.
faulthandler.dump_traceback_later(SECONDS, exit=True)  # noqa: F821 - put in front of this text

import torch  # noqa: E402

STEPS = 20
RATE = 0.005


def train(device):
    """Return the loss before and after a few steps of SGD on a small model."""
    started = time.monotonic()
    torch.manual_seed(0)
    inputs = torch.randn(256, 64, device=device)
    targets = inputs @ torch.randn(64, 1, device=device)
    layers = (torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 1))
    model = torch.nn.Sequential(*layers).to(device)
    losses = []
    for _ in range(STEPS):
        model.zero_grad()
        loss = torch.nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        # By hand: torch.optim imports the compiler, which takes ten seconds of CPU in a container.
        with torch.no_grad():
            for weights in model.parameters():
                weights.sub_(RATE * weights.grad)
        losses.append(loss.item())
    seconds = round(time.monotonic() - started, 3)
    return {"device": device, "before": losses[0], "after": losses[-1], "seconds": seconds}


def attempt(device):
    """Return what came of a device, its error included."""
    try:
        return train(device)
    except Exception as error:
        return {"device": device, "error": f"{type(error).__name__}: {error}"}


error = ""
if torch.version.cuda:
    try:
        torch.cuda.init()
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
count = torch.cuda.device_count() if torch.version.cuda and not error else 0
devices = [f"cuda:{number}" for number in range(count)]
if not torch.version.cuda:
    devices = ["cpu"]
told = {
    "torch": torch.__version__,
    "cuda": torch.version.cuda,
    "count": count,
    "error": error,
    "steps": [attempt(device) for device in devices],
}
print(json.dumps(told), flush=True)
