"""What is said of a look: which one it is, what it spent, and when the next one is due."""

from __future__ import annotations

from experiments.decision.looks import Look, NotDue
from experiments.decision.sentences import Sentences
from experiments.definition.model import Definition
from experiments.documents.analysis import Reason


def look_taken(definition: Definition, look: Look, sentences: Sentences) -> Reason:
    """Which look was read, at how much information, and its bound."""
    taken = look.taken(definition)
    facts = {
        "number": look.number,
        "information": f"{taken.information:.1%}",
        "members": f"{sum(look.matured.values()):,}",
        "bound": sentences.unknown if taken.bound is None else f"{taken.bound:.3f}",
        "alpha": f"{look.plan.alpha:.2%}",
    }
    if taken.alpha_spent is None:
        return sentences.reason("look_always_valid", **facts)
    code = "look_final" if look.final else "look_interim"
    return sentences.reason(code, spent=f"{taken.alpha_spent:.3%}", **facts)


def not_due(look: NotDue, sentences: Sentences) -> Reason:
    """Why nothing is read yet."""
    facts = {"information": f"{look.information:.1%}", "taken": len(look.earlier)}
    if look.next_at is None:
        return sentences.reason("look_without_news", **facts)
    if look.next_at >= 1:
        return sentences.reason("look_not_due_end", **facts)
    return sentences.reason("look_not_due", next=f"{look.next_at:.0%}", **facts)
