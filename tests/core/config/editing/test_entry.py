"""Values as they are typed at the console."""

import pytest

from dialpost.core.config.editing.entry import read_value
from dialpost.core.config.text import find_field
from dialpost.core.errors import ConfigError


@pytest.mark.parametrize("text", ['"a\nb"', '"a', "'a\nb = 1'"])
def test_quotes_close_on_their_line(text: str) -> None:
    with pytest.raises(ConfigError):
        read_value(find_field("outbound.smarthost"), "outbound.smarthost", text)
