"""The wheel as a user gets it: what is in it, that it can be built again, and that it serves.

Builds sdist and wheel, builds the unpacked sdist once more and compares, byte by byte; installs the
wheel with all its extras where there is no compiler, and trades on it. `dist/` keeps both files.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
TIMEOUT_S = 900.0
# The time of everything in an archive: builds of one commit are the same bytes on any day.
DAY_S = "1735689600"
PACKAGES = ("cli", "client", "engine", "ingress", "ledger", "matcher", "protocol", "tools")
SUFFIXES = {".py", ".pyi", ".so", ".sql", ".html", ".typed"}
EXCEPTIONS = {"tradepit/tools/drill/clock.c"}  # a drill compiles it, if it can


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    subprocess.run(command, cwd=cwd, env=os.environ | environment, timeout=TIMEOUT_S, check=True)


def build_wheel(source: Path, target: Path) -> Path:
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
        *("--no-build-isolation", "--no-deps", "--no-cache-dir", "--wheel-dir", target, source),
        cwd=target,
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        SOURCE_DATE_EPOCH=DAY_S,
    )
    (wheel,) = target.glob("*.whl")
    return wheel


def build_sdist(target: Path) -> Path:
    build = "from scikit_build_core.build import build_sdist; import sys; build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, target, SOURCE_DATE_EPOCH=DAY_S)
    (sdist,) = target.glob("*.tar.gz")
    return sdist


def check_contents(wheel: Path) -> None:
    """Everything that it needs, and nothing that somebody forgot."""
    names = zipfile.ZipFile(wheel).namelist()
    for package in PACKAGES:
        assert f"tradepit/{package}/py.typed" in names, package
    assert "tradepit/ingress/page/index.html" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert sum(name.endswith(".so") for name in names) == 1
    ours = [name for name in names if ".dist-info/" not in name]
    for name in ours:
        assert name.startswith("tradepit/"), name
        suffix = Path(name).suffix or Path(name).name
        assert suffix in SUFFIXES or name in EXCEPTIONS, name
    for name in names:
        content = zipfile.ZipFile(wheel).read(name)
        assert str(ROOT).encode() not in content, f"{name} knows where it was built"


def differences(first: Path, second: Path) -> list[str]:
    one, other = zipfile.ZipFile(first), zipfile.ZipFile(second)
    names = set(one.namelist()) ^ set(other.namelist())
    both = set(one.namelist()) & set(other.namelist())
    return sorted(names | {name for name in both if one.read(name) != other.read(name)})


def check_it_serves(wheel: Path, work: Path) -> None:
    """In an empty environment whose PATH is its own: no compiler, no cmake, no server."""
    venv.create(work / "venv", with_pip=True)
    programs = work / "venv" / "bin"
    bare = {"PATH": str(programs), "HOME": str(work)}
    # Where packages come from is the machine's business.
    bare |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}

    def bare_run(*command: str | Path) -> None:
        subprocess.run(command, cwd=work, env=bare, timeout=TIMEOUT_S, check=True)

    bare_run(
        *(programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *(
            "--only-binary",
            ":all:",
            "-c",
            ROOT / "requirements.lock",
            f"tradepit[all] @ {wheel.as_uri()}",
        ),
    )
    bare_run(programs / "tradepit", "version")
    bare_run(programs / "tradepit", "doctor", "--data", work / "data", "--port", "0")
    bare_run(programs / "python", ROOT / ".ci" / "serve.py")


def main() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    with tempfile.TemporaryDirectory(prefix="tradepit-") as name:
        work = Path(name)
        sdist, wheel = build_sdist(DIST), build_wheel(ROOT, DIST)
        check_contents(wheel)
        with tarfile.open(sdist) as archive:
            archive.extractall(work / "source", filter="data")
        (source,) = (work / "source").iterdir()
        (work / "again").mkdir()
        again = build_wheel(source, work / "again")
        assert again.name == wheel.name, again.name
        assert not (found := differences(wheel, again)), f"another build differs in {found}"
        assert again.read_bytes() == wheel.read_bytes(), "another build is packed otherwise"
        print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, the same from {sdist.name}")
        check_it_serves(wheel, work)


if __name__ == "__main__":
    main()
