"""Puts findings about a chat template into words, in the user's language."""

from kotune.display.phrases import Phrases
from kotune.display.words import padded
from kotune.template.findings import TemplateFinding


def description(finding: TemplateFinding, phrases: Phrases) -> str:
    """One or two sentences about what was found."""
    return phrases.phrase("template_findings", finding.name, excerpt=finding.excerpt)


def remedy(finding: TemplateFinding, phrases: Phrases) -> str:
    """What the user can do about a finding, as a phrase without a full stop."""
    if finding.kwargs:
        return phrases("template_kwargs_remedy", kwargs=finding.kwargs)
    return phrases.phrase("template_remedies", finding.name, excerpt=finding.excerpt)


def line(finding: TemplateFinding, phrases: Phrases) -> str:
    """A finding on two lines of the screen: its state and description, then its remedy."""
    state = phrases.word("template_states", finding.state)
    return (
        f"{padded(state, 8)} {description(finding, phrases)}\n{'':8} -> {remedy(finding, phrases)}"
    )


def sentence(finding: TemplateFinding, phrases: Phrases) -> str:
    """A finding on one line: its state, description and remedy."""
    state = phrases.word("template_states", finding.state)
    return f"{state}: {description(finding, phrases)} -> {remedy(finding, phrases)}"


def as_json(findings: list[TemplateFinding], phrases: Phrases) -> list[dict[str, str]]:
    """The findings as records that json.dumps accepts. `kwargs` is only there if it is known."""
    return [
        {
            "name": finding.name,
            "state": finding.state,
            "description": description(finding, phrases),
            "remedy": remedy(finding, phrases),
            **({"template_kwargs": finding.kwargs} if finding.kwargs else {}),
        }
        for finding in findings
    ]
