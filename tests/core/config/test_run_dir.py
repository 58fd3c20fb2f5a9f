"""The control socket's folder as commands find it: the same as by the configuration's parser, or left to that."""

from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.config import run_dir
from dialpost.core.config.model import StationConfig
from dialpost.core.config.run_dir import DEFAULT_RUN_DIR, plain_run_dir
from dialpost.core.config.text import parse_config
from dialpost.core.errors import ConfigError


def test_the_default_is_the_settings_own() -> None:
    assert StationConfig().run_dir == DEFAULT_RUN_DIR  # as it was before the tests got their own folder
    assert plain_run_dir("") == plain_run_dir('# run_dir = "/x"\n') == run_dir.DEFAULT_RUN_DIR


@cases(
    ("text", "found"),
    [
        ('[station]\nrun_dir = "/run/x"\n', "/run/x"),
        ("[station]\n  run_dir='/run/x'  # here\n", "/run/x"),
        ('[station]\n# run_dir = "/run/dialpost"\nrun_dir = "/run/x"', "/run/x"),
        ('station.run_dir = "/run/x"\n', None),
        ('station = { run_dir = "/run/x" }\n', None),
        ('[station]\n"run_dir" = "/run/x"\n', None),
        ('[station]\nrun_dir = "/run/\\u0061"\n', None),
        ('[station]\nrun_dir = "/a"\nrun_dir = "/b"\n', None),
        ('[station]\nrun_dir = """\n/run/x"""\n', None),
        ("[station]\nrun_dir = 1\n", None),
    ],
)
def test_what_is_not_plain_takes_a_parser(text: str, found: str | None) -> None:
    assert plain_run_dir(text) == found


_WORDS = st.sampled_from(
    [
        'run_dir = "/run/x"',
        "run_dir = '/y z'",
        "run_dir",
        "station",
        "[station]",
        ".",
        "=",
        "{",
        "}",
        "#",
        '"',
        "'",
        "\n",
        " ",
        '"""',
        "/",
        "\\",
        "\r",
    ]
)


@given(st.lists(_WORDS, max_size=12).map("".join))
def test_it_never_finds_another_folder_than_the_parser(text: str) -> None:
    try:
        expected = parse_config(text).station.run_dir
    except ConfigError:
        return
    assert plain_run_dir(text) in {None, expected}
