"""Units of measure: what each measures, and how many of the dimension's base unit it is."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Unit(NamedTuple):
    """dimension: what is measured ("length"; "" where it is not known: counters and words that we do not know).
    factor: how many base units of that dimension one is.
    """

    dimension: str
    factor: Fraction


COUNT = Unit("", Fraction(1))
PERCENT = Unit("percent", Fraction(1))

_TABLE = {
    "length": "mm 0.001, cm 0.01, m 1, km 1000, inch 0.0254, ft 0.3048, yd 0.9144, mile 1609.344",
    "area": "mm2 0.000001, cm2 0.0001, m2 1, a 100, ha 10000, km2 1000000",
    "volume": "mm3 0.000001, cm3 0.001, cc 0.001, mL 0.001, dL 0.1, L 1, kL 1000, m3 1000",
    "mass": "mg 0.001, g 1, kg 1000, t 1000000",
    "time": "ms 0.001, s 1, sec 1, min 60, h 3600, hr 3600, hrs 3600",
    "speed": "km/h 1, m/s 3.6",
    "force": "N 1, kN 1000",
    "energy": "J 1, kJ 1000",
    "heat": "cal 1, kcal 1000",
    "power": "W 1, kW 1000",
    "voltage": "V 1, kV 1000",
    "current": "mA 0.001, A 1",
    "frequency": "Hz 1, kHz 1000",
    "amount": "mol 1",
    "KRW": "KRW 1, ₩ 1",
    "USD": "USD 1, $ 1",
    "JPY": "JPY 1, ¥ 1",
    "EUR": "EUR 1, € 1",
    "GBP": "GBP 1, £ 1",
    "percent": "% 1, %p 1",
    "degrees": "° 1, °C 1",
}
"""Definitions: the SI Brochure (9th edition) and, for inch to mile, the international yard of 1959. A calorie is not put
into joules and a dollar not into won, since there are several of the one and a rate of the other.
Degrees of an angle and of heat are both written as ° and never stand beside each other.
"""

UNITS = {
    item.split()[0]: Unit(dimension, Fraction(item.split()[1]))
    for dimension, items in _TABLE.items()
    for item in items.split(", ")
}
CURRENCIES = "₩$¥€£"


def named(name: str) -> Unit | None:
    """The unit of this sign ("cm", "cm^(2)", "KM"), None where there is none."""
    sign = name.translate({ord(mark): None for mark in " ^(){}"})
    if sign in UNITS:
        return UNITS[sign]
    lower = sign.lower()
    return next((unit for known, unit in UNITS.items() if known.lower() == lower), None) if len(sign) > 1 else None


def scaled(value: Fraction, unit: Unit, number: Fraction) -> bool:
    """Whether `number` is this amount, counted in some unit of the same dimension."""
    amount = value * unit.factor
    return any(amount == number * other.factor for other in UNITS.values() if other.dimension == unit.dimension)
