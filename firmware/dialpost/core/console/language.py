"""The command language: which command a line means, what Tab completes, what "?" shows. Derived from the table
alone.

Words may be shortened as long as they are unambiguous (`comm conf 5`); a complete word always wins. A leading
`dialpost`, as on the command line, is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dialpost.core.console.commands import COMMANDS, Argument, Command, Group, Source
from dialpost.core.console.editor import Completion
from dialpost.core.console.words import Word, cut

Sources: TypeAlias = Callable[[Source, Sequence[str]], Sequence[tuple[str, str]]]
"""The possible values of an argument, each with a word of help; the second parameter is the words before it."""

_PREFIX = "dialpost"


@dataclass(frozen=True, slots=True)
class Order:
    """A line that was understood. `arguments` are those given; `rest` is the last one as it was typed."""

    command: Command
    arguments: tuple[str, ...]
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that was not understood, and why."""

    text: str


@dataclass(frozen=True, slots=True)
class _Found:
    """How far the words of a line lead: the commands still possible, and the words after them."""

    commands: tuple[Command, ...]
    depth: int
    behind: tuple[Word, ...]

    @property
    def exact(self) -> Command | None:
        """The command whose words are complete."""
        return next((one for one in self.commands if len(one.words) == self.depth), None)


class Language:
    """Understands lines. `commands` is the table; `face_options` returns the options of a face."""

    def __init__(
        self,
        sources: Sources,
        face_options: Callable[[tuple[str, ...]], Sequence[tuple[str, str]]],
        commands: tuple[Command, ...] = COMMANDS,
    ) -> None:
        self._sources, self._face_options, self._commands = sources, face_options, commands

    # -- a whole line -----------------------------------------------------------------------------------

    def parse(self, line: str) -> Order | Fault | None:
        """What a line means; None for an empty line and a comment (#)."""
        if not line.strip() or line.lstrip().startswith("#"):
            return None
        found_words = cut(line)
        words = _without_prefix(found_words.words)
        if not words:
            return None
        found = self._find(words)
        if isinstance(found, Fault):
            return found
        command = found.exact
        if command is None:
            return Fault(_incomplete(found))
        if found_words.is_open and not any(argument.rest for argument in command.arguments):
            return Fault("Missing closing quote.")
        return _order(command, found.behind, line)

    def _find(self, words: Sequence[Word]) -> _Found | Fault:
        """Walk the table word by word."""
        commands, depth = self._commands, 0
        for word in words:
            longer = [one for one in commands if len(one.words) > depth]
            nexts = list(dict.fromkeys(one.words[depth] for one in longer))
            is_done = len(longer) < len(commands)
            hits = _matching(word.text, nexts)
            # A complete command may be followed by an argument, so only an unabbreviated word leads further.
            if is_done and len(hits) != 1:
                break
            if is_done and _takes_argument(commands, depth) and hits != [word.text]:
                break
            if not hits:
                return Fault(_unknown(words, depth, nexts))
            if len(hits) > 1:
                return Fault(f"{word.text} is ambiguous: {_or(hits)}?")
            [hit] = hits
            commands = tuple(one for one in longer if one.words[depth] == hit)
            depth += 1
        return _Found(commands, depth, tuple(words[depth:]))

    # -- Tab ------------------------------------------------------------------------------------------

    def complete(self, before: str) -> Completion:
        """What may follow the text before the cursor."""
        candidates, typed = self._candidates(before)
        names = [name for name, _ in candidates]
        hits = [name for name in names if name.startswith(typed)]
        common = _common_start(hits)[len(typed) :]
        if len(hits) == 1:
            return Completion(common + ("" if hits[0].endswith((".", "[")) else " "))
        return Completion(common) if common else Completion(choices=tuple(hits))

    # -- "?" ------------------------------------------------------------------------------------------

    def help(self, before: str) -> Sequence[str]:
        """About what may follow; nothing within quotes."""
        if cut(before).is_open:
            return ()
        candidates, typed = self._candidates(before)
        hits = [(name, about) for name, about in candidates if name.startswith(typed)]
        found = self._found_before(before, typed)
        lines = _table(hits)
        if isinstance(found, _Found) and found.exact is not None:
            command = found.exact
            asked = _argument_at(command, len(found.behind))
            about = [f"{asked.usage}: {asked.source.value}"] if asked and asked.source is not Source.NONE else []
            head = [f"usage: {command.usage}", f"  {command.help}"]
            if command.face and not typed:
                lines = [*lines, *_table(list(self._face_options(command.face)))]
            return [*head, *about, *lines]
        if isinstance(found, Fault):
            return [found.text]
        return lines or ["No match."]

    def _candidates(self, before: str) -> tuple[list[tuple[str, str]], str]:
        """What may come at the end of `before`, and the part of it that is already typed."""
        words = _without_prefix(cut(before).words)
        typed = "" if not before or before[-1] in " \t" or not words else words[-1].text
        found = self._found_before(before, typed)
        if isinstance(found, Fault):
            return [], typed
        longer = [one for one in found.commands if len(one.words) > found.depth and not found.behind]
        candidates = _next_words(longer, found.depth)
        if (command := found.exact) is not None:
            candidates += self._for_arguments(command, found.behind, typed)
        return candidates, typed

    def _found_before(self, before: str, typed: str) -> _Found | Fault:
        words = _without_prefix(cut(before).words)
        return self._find(words[:-1] if typed else words)

    def _for_arguments(self, command: Command, behind: Sequence[Word], typed: str) -> list[tuple[str, str]]:
        if command.face and typed.startswith("-"):
            return list(self._face_options(command.face))
        given = [word.text for word in behind if not (command.face and word.text.startswith("-"))]
        argument = _argument_at(command, len(given))
        if argument is None or argument.source is Source.NONE:
            return []
        if argument.source is Source.COMMAND:
            return self._words_of_commands(given)
        return list(self._sources(argument.source, (*given, typed)))

    def _words_of_commands(self, given: Sequence[str]) -> list[tuple[str, str]]:
        depth = len(given)
        found = [one for one in self._commands if one.words[:depth] == tuple(given) and len(one.words) > depth]
        return _next_words(found, depth)

    # -- help as a command ------------------------------------------------------------------------------

    def overview(self) -> list[str]:
        """`help`: every command with a line."""
        lines: list[str] = []
        for group in Group:
            lines += ["", group.value]
            lines += _table([(one.usage, one.help) for one in self._commands if one.group is group])
        return [*lines[1:], "", "Tab completes, ? shows what may follow, and words may be shortened."]

    def manual(self, text: str) -> list[str]:
        """`help COMMAND`: everything about it, or about each command that begins that way; nothing if there is
        none."""
        found = self._find(_without_prefix(cut(text).words))
        if isinstance(found, Fault) or found.behind:
            return []
        lines: list[str] = []
        for one in found.commands:
            lines += ["", one.usage, f"  {one.help}", *([f"  {one.more}"] if one.more else [])]
            lines += _table(list(self._face_options(one.face))) if one.face else []
        return lines[1:]


def _common_start(words: Sequence[str]) -> str:
    """Their common beginning."""
    if not words:
        return ""
    low, high = min(words), max(words)
    return low[: next((at for at, char in enumerate(low) if char != high[at]), len(low))]


def _order(command: Command, behind: Sequence[Word], line: str) -> Order | Fault:
    """The arguments, or which one is missing or superfluous."""
    if command.face:
        return Order(command, tuple(word.text for word in behind))
    missing = [argument.name for argument in command.arguments[len(behind) :] if argument.required]
    if missing:
        return Fault(f"Missing {missing[0]}. Usage: {command.usage}")
    given: list[str] = []
    for argument, word in zip(command.arguments, behind, strict=False):
        if argument.rest:
            rest = line[word.start :].strip()
            return Order(command, (*given, rest), rest)
        given.append(word.text)
    if len(behind) > len(command.arguments):
        return Fault(f"Unexpected: {behind[len(command.arguments)].text}. Usage: {command.usage}")
    return Order(command, tuple(given))


def _without_prefix(words: Sequence[Word]) -> Sequence[Word]:
    return words[1:] if words and words[0].text == _PREFIX else words


def _matching(typed: str, words: Iterable[str]) -> list[str]:
    words = list(words)
    return [typed] if typed in words else [word for word in words if typed and word.startswith(typed)]


def _takes_argument(commands: Sequence[Command], depth: int) -> bool:
    return any(one.arguments for one in commands if len(one.words) == depth)


def _argument_at(command: Command, position: int) -> Argument | None:
    if position < len(command.arguments):
        return command.arguments[position]
    last = command.arguments[-1] if command.arguments else None
    return last if last is not None and last.rest else None


def _next_words(commands: Sequence[Command], depth: int) -> list[tuple[str, str]]:
    """The different words at that place; the help is that of the shortest command with it."""
    found: dict[str, str] = {}
    for one in sorted(commands, key=lambda one: len(one.words)):
        found.setdefault(one.words[depth], _about(one, depth))
    order = list(dict.fromkeys(one.words[depth] for one in commands))
    return [(word, found[word]) for word in order]


def _about(command: Command, depth: int) -> str:
    return command.help if len(command.words) == depth + 1 else f"{' '.join(command.words[: depth + 1])} ..."


def _unknown(words: Sequence[Word], depth: int, nexts: Sequence[str]) -> str:
    said = " ".join(word.text for word in words[: depth + 1])
    if depth == 0:
        return f"Unknown command: {said}. `help` lists the commands."
    return f"Unknown command: {said}. Expected: {_or(nexts)}."


def _incomplete(found: _Found) -> str:
    nexts = list(dict.fromkeys(one.words[found.depth] for one in found.commands))
    return f"Incomplete command: {' '.join(found.commands[0].words[: found.depth])}. Expected: {_or(nexts)}."


def _or(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1]


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    widest = min(26, max(len(name) for name, _ in rows))
    lines: list[str] = []
    for name, about in rows:
        if len(name) > widest:
            lines += [f"  {name}", f"  {'':{widest}}  {about}"]
        else:
            lines.append(f"  {name:{widest}}  {about}".rstrip())
    return lines
