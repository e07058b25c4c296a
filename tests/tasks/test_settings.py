from dataclasses import dataclass, field

import pytest

from hqzoo.errors import ConfigError
from hqzoo.tasks.settings import as_settings, check_keys, to_plain


@dataclass(frozen=True)
class Cooking:
    heat: float = 1.0
    spices: tuple[str, ...] = ()
    options: dict[str, object] = field(default_factory=dict)


def test_settings_survive_the_way_through_plain_types():
    given = Cooking(2.5, ("salt", "dill"), {"pans": (1, 2)})
    plain = to_plain(given)
    assert plain == {"heat": 2.5, "spices": ["salt", "dill"], "options": {"pans": [1, 2]}}
    assert as_settings(Cooking, plain, "cooking").heat == 2.5


def test_an_instance_stays_itself():
    given = Cooking()
    assert as_settings(Cooking, given, "cooking") is given


def test_a_typo_names_the_nearest_right_key():
    with pytest.raises(ConfigError, match=r"Unknown cooking setting 'haet'. Did you mean 'heat'"):
        as_settings(Cooking, {"haet": 3}, "cooking")


def test_something_else_altogether_is_refused():
    with pytest.raises(ConfigError, match="must be Cooking"):
        as_settings(Cooking, "hot", "cooking")


def test_known_keys_pass():
    check_keys(["a", "b"], ["a", "b", "c"], "key")
