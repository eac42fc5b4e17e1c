"""buildah with a storage of its own, so that nothing is left in the machine's."""

from collections.abc import Mapping
from pathlib import Path

from lab.command import run


class Buildah:
    """Builds images below one directory, which can simply be removed afterwards."""

    def __init__(self, directory: Path) -> None:
        # Namespaces of its own: when this process is killed, all of the build and its mounts go.
        self._command: list[str | Path] = ["setpriv", "--pdeathsig", "KILL"]
        self._command += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._command += [
            "buildah",
            "--root",
            directory / "storage",
            "--runroot",
            directory / "run",
        ]

    def import_archive(self, archive: Path, name: str) -> None:
        """Make an image `name` of one layer from the tar archive of a root file system."""
        container = self._run("from", "scratch").strip()
        self._run("add", "--quiet", container, archive, "/")
        self._run("commit", "--quiet", "--rm", container, name)

    def build(
        self,
        context: Path,
        destination: Path,
        *,
        labels: Mapping[str, str],
        arguments: Mapping[str, str] | None = None,
        volumes: Mapping[Path, str] | None = None,
    ) -> None:
        """Build `context`/Containerfile into an OCI layout, as one new layer.

        Parameters:
            volumes: directories mounted read-only while commands run, and where.
        """
        options = [f"--label={name}={value}" for name, value in labels.items()]
        options += [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
        options += [f"--volume={path}:{where}:ro" for path, where in (volumes or {}).items()]
        # Straight into the layout: a commit to the storage would copy a gigabyte once more. Not
        # compressed: each host would spend five seconds on it, and the network is in memory.
        self._run(
            *("build", "--quiet", "--isolation=chroot", "--layers=false", "--format=oci"),
            *("--pull-never", "--disable-compression=true", *options),
            *(f"--tag=oci:{destination}", context),
        )

    def _run(self, *arguments: str | Path) -> str:
        return run([*self._command, *arguments])
