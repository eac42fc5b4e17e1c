"""The lab's own signing key, and signatures with it. The key never leaves the cache directory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import atomic
from lab.command import run, succeeds

IDENTITY = "Torchrack lab mirror (simulated NVIDIA packages) <lab@torchrack.invalid>"


@dataclass(frozen=True)
class SigningKey:
    """A secret key file (mode 0600), the armoured public key, the fingerprint (40 hex digits)."""

    secret_file: Path
    public: str
    fingerprint: str


@contextmanager
def _keyring() -> Iterator[Path]:
    # A short path: that of gpg-agent's socket may not exceed 108 characters.
    with tempfile.TemporaryDirectory(prefix="lab-gpg-") as name:
        home = Path(name)
        home.chmod(0o700)
        try:
            yield home
        finally:
            succeeds(["gpgconf", "--homedir", name, "--kill", "all"])


def _gpg(home: Path, *arguments: str | Path) -> str:
    return run(["gpg", "--homedir", home, "--batch", "--yes", "--quiet", "--no-tty", *arguments])


def _fingerprint(home: Path) -> str:
    listing = _gpg(home, "--with-colons", "--list-keys")
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))


def load_or_create(directory: Path) -> SigningKey:
    """Return the key kept in `directory`, made on the first call."""
    directory.mkdir(parents=True, exist_ok=True)
    secret = directory / "signing-key.asc"
    with _keyring() as home:
        if secret.exists():
            _gpg(home, "--import", secret)
        else:
            _gpg(
                home,
                "--passphrase",
                "",
                "--quick-generate-key",
                IDENTITY,
                "rsa3072",
                "sign",
                "never",
            )
            exported = _gpg(home, "--armor", "--export-secret-keys")
            atomic.write(secret, exported, mode=0o600)
        return SigningKey(secret, _gpg(home, "--armor", "--export"), _fingerprint(home))


def sign_releases(key: SigningKey, directories: list[Path]) -> None:
    """Write InRelease and Release.gpg beside the Release file of each directory."""
    with _keyring() as home:
        _gpg(home, "--import", key.secret_file)
        for directory in directories:
            release = directory / "Release"
            _gpg(home, "--clearsign", "--output", directory / "InRelease", release)
            _gpg(home, "--armor", "--detach-sign", "--output", directory / "Release.gpg", release)
