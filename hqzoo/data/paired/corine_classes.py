"""Classes of land cover in BigEarthNet: 43 of CORINE, and the 19 that v1 is usually, and v2 always, scored by.

Names, order, colours and the way from 43 to 19 are the published ones, as TorchGeo has them; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hqzoo.errors import ConfigError, DataError, unknown_name

__all__ = ["CLASSES_19", "CLASSES_43", "class_numbers", "classes_of"]

Colour = tuple[int, int, int]

CLASSES_19: Mapping[str, Colour] = {
    "Urban fabric": (230, 0, 77),
    "Industrial or commercial units": (204, 77, 242),
    "Arable land": (255, 255, 168),
    "Permanent crops": (230, 128, 0),
    "Pastures": (230, 230, 77),
    "Complex cultivation patterns": (255, 230, 77),
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (230, 204, 77),
    "Agro-forestry areas": (242, 204, 166),
    "Broad-leaved forest": (128, 255, 0),
    "Coniferous forest": (0, 166, 0),
    "Mixed forest": (77, 255, 0),
    "Natural grassland and sparsely vegetated areas": (204, 242, 77),
    "Moors, heathland and sclerophyllous vegetation": (166, 255, 128),
    "Transitional woodland, shrub": (166, 242, 0),
    "Beaches, dunes, sands": (230, 230, 230),
    "Inland wetlands": (166, 166, 255),
    "Coastal wetlands": (204, 204, 255),
    "Inland waters": (128, 242, 230),
    "Marine waters": (230, 242, 255),
}
"""Name to colour."""

CLASSES_43: Mapping[str, int | None] = {
    "Continuous urban fabric": 0,
    "Discontinuous urban fabric": 0,
    "Industrial or commercial units": 1,
    "Road and rail networks and associated land": None,
    "Port areas": None,
    "Airports": None,
    "Mineral extraction sites": None,
    "Dump sites": None,
    "Construction sites": None,
    "Green urban areas": None,
    "Sport and leisure facilities": None,
    "Non-irrigated arable land": 2,
    "Permanently irrigated land": 2,
    "Rice fields": 2,
    "Vineyards": 3,
    "Fruit trees and berry plantations": 3,
    "Olive groves": 3,
    "Pastures": 4,
    "Annual crops associated with permanent crops": 3,
    "Complex cultivation patterns": 5,
    "Land principally occupied by agriculture, with significant areas of natural vegetation": 6,
    "Agro-forestry areas": 7,
    "Broad-leaved forest": 8,
    "Coniferous forest": 9,
    "Mixed forest": 10,
    "Natural grassland": 11,
    "Moors and heathland": 12,
    "Sclerophyllous vegetation": 12,
    "Transitional woodland/shrub": 13,
    "Beaches, dunes, sands": 14,
    "Bare rock": None,
    "Sparsely vegetated areas": 11,
    "Burnt areas": None,
    "Inland marshes": 15,
    "Peatbogs": 15,
    "Salt marshes": 16,
    "Salines": 16,
    "Intertidal flats": None,
    "Water courses": 17,
    "Water bodies": 17,
    "Coastal lagoons": 18,
    "Estuaries": 18,
    "Sea and ocean": 18,
}
"""Name to the number of its class among the 19; None: it has none."""


def classes_of(count: int) -> Mapping[str, Colour | None]:
    """Return the names of 19 or 43 classes in their order, with colours where these are published.

    Raises:
        ConfigError: If it is another number.
    """
    if count == len(CLASSES_19):
        return CLASSES_19
    if count == len(CLASSES_43):
        return dict.fromkeys(CLASSES_43)
    raise ConfigError(f"BigEarthNet is labelled with 19 or with 43 classes; got {count}.")


def class_numbers(names: Iterable[str], count: int, source: object) -> tuple[int, ...]:
    """Return the numbers of classes by their names, which may be those of the 19 or of the 43.

    Args:
        names: Names of one patch.
        count: 19 or 43; names of the 43 are taken to the 19 where these are asked for, as far as they have one.
        source: Where the names stand, for the error.

    Raises:
        DataError: If a name is unknown, or of the 19 where 43 are asked for.
    """
    known = list(classes_of(count))
    numbers: set[int] = set()
    for name in names:
        if name in known:
            numbers.add(known.index(name))
        elif count == len(CLASSES_19) and name in CLASSES_43:
            numbers |= {number for number in (CLASSES_43[name],) if number is not None}
        else:
            raise DataError(f"{source}: {unknown_name(f'class of the {count}', name, known)}")
    return tuple(sorted(numbers))
