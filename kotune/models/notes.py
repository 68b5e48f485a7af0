"""What a user should know of a preset before it is trained: the duties of its licence, and how far
kotune has verified the model."""

from collections.abc import Iterator

from kotune.display.phrases import LANGUAGES, Phrases
from kotune.models.catalogue import Licence
from kotune.models.presets import row_of
from kotune.shipped import PROGRAM

DUTIES = ("prefix", "display", "notice")  # fields of Licence


def notes(model: str, phrases: Phrases | None = None) -> list[str]:
    """The sentences about the model `model` of a recipe, in the language of `phrases`; None means
    English. Empty for a model that is neither a preset nor the hub id of one, and for a shipped
    model."""
    row = row_of(model)
    if row is None:
        return []
    phrases = phrases or Phrases(LANGUAGES[0])
    of_licence = _of_licence(model, row.licence, phrases)
    if row.verified == "rendered":
        return list(of_licence)
    return [*of_licence, phrases.phrase("model_notes", row.verified, model=model, program=PROGRAM)]


def _of_licence(model: str, licence: Licence, phrases: Phrases) -> Iterator[str]:
    """The limits of commercial use, and the duties of those who publish a model. Nothing for a
    licence that has neither."""
    if licence.commercial != "free":
        places = {"model": model, "licence": licence.name}
        yield phrases.phrase("model_notes", licence.commercial, **places)
    if duties := ", ".join(duties_of(licence, phrases)):
        yield phrases.phrase("model_notes", "publish", model=model, duties=duties)


def duties_of(licence: Licence, phrases: Phrases) -> list[str]:
    """What a licence requires of those who publish a model made from the model, as phrases."""
    texts = {duty: getattr(licence, duty) for duty in DUTIES}
    return [phrases.phrase("duties", duty, text=text) for duty, text in texts.items() if text]
