import pytest

from longshore.client.errors import ClientError
from longshore.client.requirements import require


def test_packages_that_are_missing_are_named_by_what_installs_them() -> None:
    require("rich", "tusclient")
    with pytest.raises(ClientError, match=r"pip install 'longshore\[client\]'"):
        require("rich", "no_package_of_that_name")
