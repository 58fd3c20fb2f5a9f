"""What a first configuration begins with, and the socket's folder from a file that can't be read."""

import pytest

from dialpost.core.config.setup import first_text, run_dir_in


def test_the_folders_given_are_in_the_first_text() -> None:
    text = first_text("# For the board.\n[link]\nkind = 'gateway'\n", data_dir="/srv/d", run_dir="/srv/r")
    assert text.startswith("# For the board.") and 'data_dir = "/srv/d"' in text and run_dir_in(text) == "/srv/r"
    assert first_text("") == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[station]\nrun_dir = "/run/x"\n', "/run/x"),
        ("[station\nrun_dir = '/run/x'  # here\n", "/run/x"),
        ("station = 1\n", ""),
        ("[station]\nrun_dir = 1\n", ""),
        ('[station\n# run_dir = "/run/x"\n', ""),
        ("", ""),
    ],
)
def test_the_folder_of_the_socket(text: str, found: str) -> None:
    assert run_dir_in(text) == found
