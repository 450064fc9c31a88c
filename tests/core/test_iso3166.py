"""The countries have a name for each code, and read well."""

from gatepost.core.iso3166 import NAMES


def test_every_code_of_the_standard_has_a_name() -> None:
    assert len(NAMES) == 250
    assert all(len(code) == 2 and code.isupper() and name == name.strip() and name for code, name in NAMES.items())
    assert list(NAMES) == sorted(NAMES)
    assert (NAMES["AD"], NAMES["CI"], NAMES["XK"], NAMES["ZW"]) == ("Andorra", "Côte d'Ivoire", "Kosovo", "Zimbabwe")
