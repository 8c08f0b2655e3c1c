"""Everything here is about containers: `make test-containers`."""

from collections.abc import Iterator

import pytest

from tests.containers.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The exchange of docker-compose.yml, as its first command brings it up; shared by one module."""
    with Stack("one", tmp_path_factory.mktemp("stack")) as running:
        yield running
