"""Completion for bash and zsh, from the grammar: commands, verbs, options, values that can be listed, files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from grammar import Command, Option

_BASH = """\
# Completion of dialpost(1) for bash. Made from the grammar of the command line by release/pages.py.
_dialpost() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} path='' words='' index
    for ((index = 1; index < COMP_CWORD; index++)); do
        case "$path ${{COMP_WORDS[index]}}" in
            *' --config') ((index++)) ;;
{steps}
        esac
    done
    COMPREPLY=()
    case "$path $previous" in
{values}
    esac
    case "$path" in
{words}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [[ ${{#COMPREPLY[@]}} -eq 0 && $current != -* ]]; then
        compopt -o default
    fi
}}
complete -F _dialpost dialpost
"""


_ZSH_HEAD = """\
#compdef dialpost
# Completion of dialpost(1) for zsh. Made from the grammar of the command line by release/pages.py.
"""


def bash(root: Command) -> str:
    """The script to source, or to put where bash-completion finds it."""
    commands = list(root.all())
    steps = [
        f"            {word}) path={word} ;;"
        for word in (shlex.quote(_path(each.path)) for each in commands if each.path)
    ]
    values = [line for each in commands for line in _bash_values(each)]
    words = [
        f"        {shlex.quote(_path(each.path))}) words={shlex.quote(' '.join(_words(each)))} ;;"
        for each in commands
    ]
    return _BASH.format(steps="\n".join(steps), values="\n".join(values), words="\n".join(words))


def _path(path: tuple[str, ...]) -> str:
    """Begins with a space if not empty, so that no path is the end of another."""
    return "".join(f" {word}" for word in path)


def _words(command: Command) -> list[str]:
    """Every option that may follow, by name."""
    inner = [each.path[-1] for each in command.commands]
    choices = [word for each in command.arguments for word in each.choices]
    return [*inner, *choices, *(name for each in command.options for name in each.names)]


def _bash_values(command: Command) -> Iterator[str]:
    """The completion after an option that takes a value."""
    for option in (each for each in command.options if each.value):
        places = "|".join(shlex.quote(f"{_path(command.path)} {name}") for name in option.names)
        if option.choices:
            reply = f'COMPREPLY=($(compgen -W {shlex.quote(" ".join(option.choices))} -- "$current"))'
        elif option.is_file:
            reply = "compopt -o default"
        else:
            reply = ":"
        yield f"        {places}) {reply}; return ;;"


def zsh(root: Command) -> str:
    """The script for a folder of $fpath, by the name of _dialpost."""
    functions = [_zsh_function(each) for each in reversed(list(root.all()))]
    return "\n".join([_ZSH_HEAD, *functions, f'{_function(())} "$@"', ""])


def _function(path: tuple[str, ...]) -> str:
    return "_".join(("_dialpost", *(word.replace("-", "_") for word in path)))


def _zsh_function(command: Command) -> str:
    specs = [_zsh_option(each) for each in command.options]
    if not command.commands:
        specs += [_zsh_argument(each) for each in command.arguments]
        lines = [f"{_function(command.path)}() {{", "    _arguments -s \\", *_continued(specs, "        "), "}", ""]
        return "\n".join(lines)
    listed = [shlex.quote(f"{each.path[-1]}:{each.line}") for each in command.commands]
    steps = [f"                {each.path[-1]}) {_function(each.path)} ;;" for each in command.commands]
    return "\n".join(
        [
            f"{_function(command.path)}() {{",
            "    local curcontext=$curcontext state line",
            "    local -a commands",
            "    _arguments -C \\",
            *_continued([*specs, "'1:command:->command'", "'*::argument:->argument'"], "        "),
            "    case $state in",
            "        command)",
            "            commands=(",
            *(f"                {each}" for each in listed),
            "            )",
            "            _describe -t commands command commands",
            "            ;;",
            "        argument)",
            "            case $line[1] in",
            *steps,
            "            esac",
            "            ;;",
            "    esac",
            "}",
            "",
        ]
    )


def _continued(specs: list[str], indent: str) -> list[str]:
    return [f"{indent}{spec} \\" for spec in specs[:-1]] + [f"{indent}{specs[-1]}"]


def _zsh_option(option: Option) -> str:
    names = "{" + ",".join(option.names) + "}" if len(option.names) > 1 else option.names[0]
    others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
    value = f":{_zsh_words(option.value)}:{_zsh_values(option)}" if option.value else ""
    about = f"[{_zsh_words(option.help)}]{value}"
    return f"{shlex.quote(others)}{names}{shlex.quote(about)}" if others else shlex.quote(f"{names}{about}")


def _zsh_argument(option: Option) -> str:
    count = "*" if option.repeats else ""
    return shlex.quote(f"{count}:{_zsh_words(option.value)}:{_zsh_values(option)}")


def _zsh_values(option: Option) -> str:
    if option.choices:
        return f"({' '.join(option.choices)})"
    return "_files" if option.is_file else ""


def _zsh_words(text: str) -> str:
    """`_arguments` ends a description at a bracket and a message at a colon."""
    text = " ".join(text.split())
    for mark in ("\\", ":", "[", "]"):
        text = text.replace(mark, f"\\{mark}")
    return text
