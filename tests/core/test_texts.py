"""Texts that remember how they were made."""

import msgspec

from gatepost.core.faults import BadInputError
from gatepost.core.spans import encode_span
from gatepost.core.texts import Text, plain, say, say_many, without

GERMAN = {
    "name: there is no rule {name!r}; {cure}": "name: {cure} Die Regel {name!r} gibt es nicht.",
    "one of {names}": "Eine von {names}.",
    "{count} block": "{count} Sperre",
    "{count} blocks": "{count} Sperren",
    "failed log-ins": "gescheiterte Anmeldungen",
}


def german(message: str) -> str:
    """A message in German."""
    return GERMAN.get(message, message)


def germans(one: str, many: str, number: int) -> str:
    """Its form for a number."""
    return german(one if number == 1 else many)


def test_it_is_english_everywhere_and_another_language_where_it_is_asked() -> None:
    said = say("name: there is no rule {name!r}; {cure}", name="dos", cure=say("one of {names}", names=("a", say("failed log-ins"))))
    assert said == "name: there is no rule 'dos'; one of a, failed log-ins"
    assert said.told(german, germans) == "name: Eine von a, gescheiterte Anmeldungen. Die Regel 'dos' gibt es nicht."


def test_numbers_have_their_forms() -> None:
    assert [str(say_many("{count} block", "{count} blocks", count)) for count in (0, 1, 2)] == ["0 blocks", "1 block", "2 blocks"]
    assert [say_many("{count} block", "{count} blocks", count).told(german, germans) for count in (1, 2)] == ["1 Sperre", "2 Sperren"]


def test_an_error_gives_it_back_and_a_page_takes_its_field_off() -> None:
    said = say("name: there is no rule {name!r}; {cure}", name="dos", cure="")
    wrong = str(BadInputError(said))
    assert isinstance(wrong, Text)
    rest = without(wrong, "name: ")
    assert isinstance(rest, Text)
    assert (rest, rest.told(german, germans)) == ("there is no rule 'dos'; ", " Die Regel 'dos' gibt es nicht.")
    assert without("plain: text", "plain: ") == "text"
    assert without(said, "other: ") == said


def test_a_translation_that_does_not_fit_is_passed_over() -> None:
    said = say("{name} is gone", name="dos")
    for broken in ("{names} ist weg", "{name", "{0} ist weg", "{name.secret}", "{name:d}"):
        assert said.told(lambda _, text=broken: text, germans) == "dos is gone"  # type: ignore[misc]
    assert say("").told(lambda _: "the header", germans) == ""


def test_it_is_written_in_english() -> None:
    said = say("{what} {name}", what=say("failed log-ins"), name="dos")
    assert type(plain(said)) is str
    assert msgspec.json.encode({"a": said}, enc_hook=encode_span) == b'{"a":"failed log-ins dos"}'
