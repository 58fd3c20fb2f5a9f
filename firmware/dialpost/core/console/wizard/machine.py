"""The set-up wizard as a state machine: lines in, words out. No terminal, no file, no clock.

    wizard = Wizard(facts, base)
    while not wizard.is_done:
        question = wizard.question()        # show question.help, ask with question.prompt, hide if question.secret
        print(wizard.answer(line))          # "" or what is to be said
    wizard.result()                           # None after `quit`

`?` explains, `back` goes back one question, `quit` stops without saving, Enter accepts the value in brackets.
Secrets are asked for twice. The last question is followed by the review page, where a number changes a line and
`yes` accepts everything. `steps` says what is asked and which answers are valid, `draft` which configuration
results.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from dialpost.core.amounts import whole_number
from dialpost.core.config.check import warnings
from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config, render_config
from dialpost.core.console.wizard.draft import KEEP, Draft
from dialpost.core.console.wizard.facts import Choice, Facts, PortOffer, picked
from dialpost.core.console.wizard.step import Step
from dialpost.core.console.wizard.steps import steps
from dialpost.core.errors import AccountError, ConfigError

BACK, QUIT, HELP, YES = "back", "quit", "?", "yes"
REVIEW_KEY = "review"
_JUST_ANSWERED = "There is no schedule.entry"
"""A warning about what the wizard has just asked is redundant."""
_ON_EVERY_PAGE = "Enter accepts the value in [ ]; `back`: previous question; `quit`: stop without saving."


class Phase(Enum):
    """What the wizard is doing."""

    ASKING = "asking"  # from question to question
    REPEATING = "repeating"  # the secret just typed, a second time
    REVIEW = "review"
    CHANGING = "changing"  # one question, asked from the review page
    REPEATING_CHANGE = "repeating the change"
    TAKEN = "taken"
    GIVEN_UP = "given up"


class Event(Enum):
    """What a line can mean."""

    ANSWERED = "answered"  # and another question follows
    COMPLETED = "completed"  # and no question is left
    HIDDEN = "hidden"  # a secret's first half
    DIFFERED = "differed"  # its second half differs
    PICKED = "picked"  # a line of the review page
    ACCEPTED = "accepted"
    WENT_BACK = "went back"
    GAVE_UP = "gave up"
    REOPENED = "reopened"  # the result could not be applied


_IGNORED = None
TABLE: dict[Phase, dict[Event, Phase | None]] = {
    Phase.ASKING: {
        Event.ANSWERED: Phase.ASKING,
        Event.COMPLETED: Phase.REVIEW,
        Event.HIDDEN: Phase.REPEATING,
        Event.DIFFERED: _IGNORED,
        Event.PICKED: _IGNORED,
        Event.ACCEPTED: _IGNORED,
        Event.WENT_BACK: Phase.ASKING,
        Event.GAVE_UP: Phase.GIVEN_UP,
        Event.REOPENED: _IGNORED,
    },
    Phase.REPEATING: {
        Event.ANSWERED: Phase.ASKING,
        Event.COMPLETED: Phase.REVIEW,
        Event.HIDDEN: _IGNORED,
        Event.DIFFERED: Phase.ASKING,
        Event.PICKED: _IGNORED,
        Event.ACCEPTED: _IGNORED,
        Event.WENT_BACK: Phase.ASKING,
        Event.GAVE_UP: Phase.GIVEN_UP,
        Event.REOPENED: _IGNORED,
    },
    Phase.REVIEW: {
        Event.ANSWERED: _IGNORED,
        Event.COMPLETED: _IGNORED,
        Event.HIDDEN: _IGNORED,
        Event.DIFFERED: _IGNORED,
        Event.PICKED: Phase.CHANGING,
        Event.ACCEPTED: Phase.TAKEN,
        Event.WENT_BACK: Phase.ASKING,
        Event.GAVE_UP: Phase.GIVEN_UP,
        Event.REOPENED: _IGNORED,
    },
    Phase.CHANGING: {
        Event.ANSWERED: Phase.CHANGING,
        Event.COMPLETED: Phase.REVIEW,
        Event.HIDDEN: Phase.REPEATING_CHANGE,
        Event.DIFFERED: _IGNORED,
        Event.PICKED: _IGNORED,
        Event.ACCEPTED: _IGNORED,
        Event.WENT_BACK: Phase.REVIEW,
        Event.GAVE_UP: Phase.GIVEN_UP,
        Event.REOPENED: _IGNORED,
    },
    Phase.REPEATING_CHANGE: {
        Event.ANSWERED: Phase.CHANGING,
        Event.COMPLETED: Phase.REVIEW,
        Event.HIDDEN: _IGNORED,
        Event.DIFFERED: Phase.CHANGING,
        Event.PICKED: _IGNORED,
        Event.ACCEPTED: _IGNORED,
        Event.WENT_BACK: Phase.CHANGING,
        Event.GAVE_UP: Phase.GIVEN_UP,
        Event.REOPENED: _IGNORED,
    },
    Phase.TAKEN: dict.fromkeys(Event, _IGNORED) | {Event.REOPENED: Phase.REVIEW},
    Phase.GIVEN_UP: dict.fromkeys(Event, _IGNORED),
}
"""Total; what is _IGNORED can't occur in that phase."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask now. `text` is its name, `help` explains it, `prompt` is what the line begins with."""

    key: str
    text: str
    help: str
    secret: bool = False
    default: str = ""
    choices: tuple[Choice, ...] = ()

    @property
    def prompt(self) -> str:
        """With the default in brackets."""
        return f"{self.text} [{self.default}]: " if self.default else f"{self.text}: "


@dataclass(frozen=True, slots=True)
class Result:
    """The result. Its repr shows no password. `admin_password` is "" if the old one is kept."""

    config: Config = field(repr=False)
    admin_password: str = field(repr=False)
    accounts: tuple[tuple[str, str], ...] = field(repr=False)
    warnings: tuple[str, ...] = ()


class Wizard:
    """One pass through the questions. Answers survive `back` and a refused review, but not `quit`."""

    def __init__(self, facts: Facts, base: Config | None = None) -> None:
        self._draft = Draft(facts, base or Config())
        self.phase = Phase.ASKING
        self._at = steps(self._draft)[0].name
        self._hidden = ""

    @property
    def is_done(self) -> bool:
        """Whether the wizard has ended."""
        return self.phase in {Phase.TAKEN, Phase.GIVEN_UP}

    def question(self) -> Question:
        """What to ask now."""
        if self.phase is Phase.REVIEW:
            return Question(REVIEW_KEY, f"`{YES}`, or a number", self._review())
        step = self._step()
        if self.phase in {Phase.REPEATING, Phase.REPEATING_CHANGE}:
            return Question(step.name, f"{step.label} again", "", secret=True)
        default, choices = self._default(step), step.choices(self._draft)
        numbers = {choice.value: str(number) for number, choice in enumerate(choices, 1)}
        shown = KEEP if step.is_secret and default else numbers.get(default, default)
        return Question(step.name, step.label, step.help, step.is_secret, shown, choices)

    def answer(self, line: str) -> str:
        """Take a line; returns the response to it ("" = none)."""
        if self.is_done:
            return ""
        step = None if self.phase is Phase.REVIEW else self._step()
        is_repeat = self.phase in {Phase.REPEATING, Phase.REPEATING_CHANGE}
        typed = line if step is not None and step.is_secret else line.strip()
        word = line.strip().lower()
        if word == HELP and not is_repeat:
            return self._explain(step)
        if word == BACK:
            return self._go_back(step)
        if word == QUIT:
            self._post(Event.GAVE_UP)
            self._draft = Draft(self._draft.facts, self._draft.base)
            self._hidden = ""
            return "Nothing was saved."
        if step is None:
            return self._reviewed(word)
        return self._repeated(step, typed) if is_repeat else self._answered(step, typed)

    def learn_ports(self, ports: tuple[PortOffer, ...]) -> None:
        """The serial ports have been probed in the meantime."""
        self._draft = replace(self._draft, facts=replace(self._draft.facts, ports=ports))

    def reopen(self) -> None:
        """The result could not be applied: back to the review page, with all answers."""
        self._post(Event.REOPENED)

    def result(self) -> Result | None:
        """The result; None after `quit` or before the end."""
        if self.phase is not Phase.TAKEN:
            return None
        draft = self._applying()
        config = draft.config()
        users = tuple((name, draft.get(f"password{number}")) for number, name in enumerate(draft.users, 1))
        known = tuple(told for told in warnings(config) if not told.startswith(_JUST_ANSWERED))
        return Result(config, draft.get("admin_password"), users, known)

    # -- answers --------------------------------------------------------------------------------------

    def _answered(self, step: Step, typed: str) -> str:
        if not typed.isprintable():
            return "That contains a character not allowed here. Try again."
        is_new = bool(typed)
        if not typed:
            typed = self._default(step)
        elif step.choices(self._draft):
            value = picked(typed, step.choices(self._draft))
            if value is None and not step.may_type:
                return _which_number(len(step.choices(self._draft)))
            typed = value or typed
        if not typed and not step.may_be_empty:
            return "Please enter an answer; `?` explains."
        try:
            value = step.check(typed, self._draft) if typed else ""
            if step.is_secret and is_new:
                self._draft.with_answer(step.name, value)
                self._hidden = value
                self._post(Event.HIDDEN)
                return ""
            self._draft = self._draft.with_answer(step.name, value)
        except (ValueError, AccountError) as error:
            return _sentence(str(error))
        self._go_on(step)
        return ""

    def _repeated(self, step: Step, typed: str) -> str:
        hidden, self._hidden = self._hidden, ""
        if typed != hidden:
            self._post(Event.DIFFERED)
            return "The two entries differ. Type it again."
        self._draft = self._draft.with_answer(step.name, hidden)
        self._go_on(step)
        return ""

    def _go_on(self, step: Step) -> None:
        """On to the next question; from the review page, only to those without an answer that is still possible."""
        asked = [each for each in steps(self._draft) if not each.in_review_only]
        if self.phase in {Phase.ASKING, Phase.REPEATING}:
            names = [each.name for each in asked]
            index = names.index(step.name) + 1
            rest = asked[index:]
        else:
            rest = [each for each in asked if not (self._draft.has(each.name) and self._is_possible(each))]
        if rest:
            self._at = rest[0].name
        self._post(Event.ANSWERED if rest else Event.COMPLETED)

    def _go_back(self, step: Step | None) -> str:
        self._hidden = ""
        if self.phase in {Phase.ASKING, Phase.REVIEW}:
            asked = [each for each in steps(self._draft) if not each.in_review_only]
            names = [each.name for each in asked]
            index = len(names) if step is None else names.index(step.name)
            if index == 0:
                return "This is the first question."
            self._at = names[index - 1]
        self._post(Event.WENT_BACK)
        return ""

    # -- the review page --------------------------------------------------------------------------------

    def _review(self) -> str:
        lines = ["Check your answers:", ""]
        for number, step in enumerate(steps(self._draft), 1):
            lines.append(f"{number:3}  {step.label:<18} {self._shown(step)}")
        lines += ["", f"Enter `{YES}` to accept everything, or a number to change that line."]
        return "\n".join(lines)

    def _shown(self, step: Step) -> str:
        if step.in_review_only:
            return step.shown(self._draft) or step.empty_words
        if not self._draft.has(step.name):
            return "(no answer yet)"
        value = self._draft.get(step.name)
        if step.is_secret:
            return "(set, not shown)" if value else "none"
        words = {choice.value: choice.words for choice in step.choices(self._draft)}
        return words.get(value, value) or step.empty_words

    def _reviewed(self, word: str) -> str:
        there = steps(self._draft)
        number = whole_number(word)
        if number is not None and 1 <= number <= len(there):
            self._at = there[number - 1].name
            self._post(Event.PICKED)
            return ""
        if word != YES:
            return f"Enter `{YES}`, a number from 1 to {len(there)}, `{BACK}` or `{QUIT}`."
        return self._accept(there)

    def _accept(self, there: tuple[Step, ...]) -> str:
        """Check all answers together again: changing one may have made another wrong."""
        for step in there:
            value, is_answered = self._draft.get(step.name), self._draft.has(step.name)
            try:
                if not is_answered and not step.in_review_only:
                    raise ValueError("This question has no answer yet.")
                if value:
                    step.check(value, self._draft)
                if not self._is_possible(step):
                    raise ValueError("This is no longer one of the choices.")
            except (ValueError, AccountError) as error:
                self._at = step.name
                self._post(Event.PICKED)
                return f"{step.label}: {_sentence(str(error))}"
        try:
            parse_config(render_config(self._applying().config(), secrets=True))
        except ConfigError as error:  # pragma: no cover - each step checks what it can; this is the safety net
            return "This can't be accepted:\n" + str(error)
        self._post(Event.ACCEPTED)
        return ""

    # -- around it ------------------------------------------------------------------------------------

    def _step(self) -> Step:
        there = steps(self._draft)
        return next((step for step in there if step.name == self._at), there[0])

    def _applying(self) -> Draft:
        """Without answers to questions that would no longer be asked."""
        asked = {step.name for step in steps(self._draft)}
        return self._draft.without(name for name in self._draft.answers if name not in asked)

    def _default(self, step: Step) -> str:
        """What Enter stands for: the earlier answer if it is still possible, otherwise the question's default."""
        if self._draft.get(step.name) and self._is_possible(step):
            return self._draft.get(step.name)
        return step.default(self._draft)

    def _is_possible(self, step: Step) -> bool:
        """Whether its answer is among its choices: another answer may have removed it."""
        choices = step.choices(self._draft)
        is_free = not choices or step.may_type
        return is_free or self._draft.get(step.name) in {choice.value for choice in choices}

    def _explain(self, step: Step | None) -> str:
        if step is None:
            return f"`{YES}` puts the settings into effect. A number lets you change that line. {_ON_EVERY_PAGE}"
        return "\n".join(part for part in (step.help, step.more, _ON_EVERY_PAGE) if part)

    def _post(self, event: Event) -> None:
        """The one place where the phase changes."""
        target = TABLE[self.phase][event]
        if target is not None:
            self.phase = target


def _which_number(most: int) -> str:
    return "Enter 1 or 2." if most == 2 else f"Enter a number from 1 to {most}."


def _sentence(words: str) -> str:
    """With a full stop and a capital letter, unless it begins with a key or a name, which is quoted unchanged."""
    first = words.split(" ", 1)[0]
    is_name = any(letter in first.rstrip(".,:;") for letter in ".@/_")
    return (words if is_name else words[:1].upper() + words[1:]) + (
        "" if words.endswith((".", "?", "!", ")")) else "."
    )
