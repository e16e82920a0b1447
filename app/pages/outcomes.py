"""Outcomes of runs in words, wherever a page names one without its run."""

from app.pages.formatting import STATES
from app.study.outcomes import OUTCOMES, RAN

_WORDS: dict[str, str] = STATES | {str(word): said for words in (RAN, OUTCOMES) for word, said in words.items()}


def outcome(word: str) -> str:
    """How a run ended, in a few words; what ran instead, and the state of a run that brought nothing, count as well."""
    return _WORDS.get(word, word.replace("_", " "))
