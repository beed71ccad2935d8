"""The buyers of the generated marketplace: personas, and the users who are drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from learn_rank.datasets.arithmetic import draw_lognormal, exp
from learn_rank.datasets.marketplace.vocabulary.hobbies import THEMES_HOBBIES
from learn_rank.datasets.marketplace.vocabulary.home import THEMES_HOME
from learn_rank.datasets.marketplace.vocabulary.needs import NEEDS
from learn_rank.datasets.marketplace.vocabulary.notation import Theme
from learn_rank.datasets.marketplace.vocabulary.outside import THEMES_OUTSIDE
from learn_rank.datasets.marketplace.vocabulary.styles import STYLES

THEMES: tuple[Theme, ...] = (*THEMES_OUTSIDE, *THEMES_HOME, *THEMES_HOBBIES)
THEME_NAMES = tuple(theme.name for theme in THEMES)
STYLE_NAMES = tuple(style.name for style in STYLES)
NEED_NAMES = tuple(NEEDS)


@dataclass(frozen=True)
class Persona:
    """A sort of buyer: themes from dearest to least dear, styles, needs, and spending from -1 to 1."""

    name: str
    themes: tuple[str, ...]
    styles: tuple[str, ...]
    needs: tuple[str, ...]
    spending: float


def _persona(name: str, themes: str, styles: str, needs: str, spending: float) -> Persona:
    return Persona(
        name, tuple(themes.split(", ")), tuple(styles.split(", ")), tuple(needs.split(", ")), spending
    )


PERSONAS = (
    _persona(
        "weekend rambler", "hiking, camp cooking, photography", "professional", "weatherproof, compact", 0.3
    ),
    _persona("new parent", "baby care, coffee, home office", "eco, kids", "gentle, easyclean", 0.0),
    _persona(
        "allotment holder", "gardening, baking, woodworking", "eco, budget", "repairable, weatherproof", -0.4
    ),
    _persona("sourdough convert", "baking, coffee, gardening", "minimalist, eco", "handmade, easyclean", 0.2),
    _persona("student with a console", "gaming, coffee, cycling", "budget", "quiet, compact", -0.8),
    _persona(
        "esports hopeful", "gaming, home office, yoga and fitness", "professional", "effortless, quiet", 0.5
    ),
    _persona(
        "freelance consultant", "home office, coffee, cycling", "minimalist, luxury", "quiet, effortless", 0.6
    ),
    _persona(
        "yoga teacher", "yoga and fitness, bath and spa, gardening", "eco, minimalist", "gentle, compact", 0.1
    ),
    _persona(
        "swing dancer", "vintage fashion, music making, bath and spa", "luxury", "handmade, giftable", 0.4
    ),
    _persona("dog person", "pets, hiking, cycling", "budget, eco", "easyclean, weatherproof", -0.2),
    _persona("cat person", "pets, knitting and sewing, coffee", "minimalist", "quiet, gentle", 0.0),
    _persona(
        "retired joiner", "woodworking, gardening, camp cooking", "professional", "repairable, handmade", 0.2
    ),
    _persona(
        "wedding photographer",
        "photography, coffee, home office",
        "professional, luxury",
        "quiet, compact",
        0.7,
    ),
    _persona(
        "van lifer", "camp cooking, cycling, photography", "eco, minimalist", "compact, repairable", -0.3
    ),
    _persona(
        "club cyclist",
        "cycling, yoga and fitness, coffee",
        "professional, luxury",
        "weatherproof, compact",
        0.6,
    ),
    _persona(
        "bedroom producer", "music making, gaming, coffee", "budget, professional", "quiet, effortless", -0.3
    ),
    _persona("spa indulger", "bath and spa, vintage fashion, baking", "luxury", "giftable, gentle", 0.9),
    _persona(
        "evening painter",
        "drawing and painting, music making, gardening",
        "minimalist",
        "handmade, giftable",
        0.1,
    ),
    _persona(
        "children's favourite aunt",
        "baby care, drawing and painting, baking",
        "kids",
        "giftable, gentle",
        0.3,
    ),
    _persona(
        "school-age family",
        "gaming, pets, drawing and painting",
        "kids, budget",
        "easyclean, effortless",
        -0.5,
    ),
    _persona(
        "quilter",
        "knitting and sewing, vintage fashion, drawing and painting",
        "eco",
        "handmade, repairable",
        0.0,
    ),
    _persona(
        "thrifty maker", "knitting and sewing, woodworking, baking", "budget", "repairable, handmade", -0.8
    ),
    _persona(
        "gym regular",
        "yoga and fitness, cycling, bath and spa",
        "professional, budget",
        "effortless, easyclean",
        0.0,
    ),
    _persona(
        "scout leader", "camp cooking, hiking, woodworking", "kids, budget", "weatherproof, repairable", -0.5
    ),
)


@dataclass(frozen=True)
class Users:
    """Planted preferences of U users; rows are users, in the order of their ids.

    `theme` (U, themes) in 0..1; `style` (U, styles) in -1..1; `need` (U, needs) >= 0; `spending` (U,), the
    log price ratio that a user finds right; `price_sensitivity` and `quality_care` (U,) > 0;
    `click_bias` (U,) log odds; `taste` (U, 3), which no word tells; `activity` (U,) > 0; `persona` (U,);
    `first_day` (U,) day of arrival.
    """

    theme: np.ndarray
    style: np.ndarray
    need: np.ndarray
    spending: np.ndarray
    price_sensitivity: np.ndarray
    quality_care: np.ndarray
    click_bias: np.ndarray
    taste: np.ndarray
    activity: np.ndarray
    persona: np.ndarray
    first_day: np.ndarray


def draw_users(first_day: np.ndarray, generator: np.random.Generator) -> Users:
    """Users with personal deviations from a persona each, and one interest that no persona explains.

    Args:
        first_day: (U,) day of arrival of each user.
        generator: the only source of randomness.
    """
    n_users = len(first_day)
    persona = generator.integers(0, len(PERSONAS), n_users)
    rows = np.arange(n_users)
    theme = generator.uniform(0.0, 0.08, (n_users, len(THEME_NAMES)))
    stray = generator.integers(0, len(THEME_NAMES), n_users)
    theme[rows, stray] = np.where(generator.random(n_users) < 0.6, 0.4 + 0.6 * generator.random(n_users), 0.0)
    theme += _planted("themes", THEME_NAMES, (1.0, 0.75, 0.5))[persona] * draw_lognormal(
        -0.05, 0.3, theme.shape, generator
    )

    style = generator.normal(0.0, 0.25, (n_users, len(STYLE_NAMES)))
    style[rows, generator.integers(0, len(STYLE_NAMES), n_users)] -= 0.6
    style += _planted("styles", STYLE_NAMES, (0.9, 0.7))[persona]

    need = np.abs(generator.normal(0.0, 0.15, (n_users, len(NEED_NAMES))))
    need[rows, generator.integers(0, len(NEED_NAMES), n_users)] += 0.5
    need += _planted("needs", NEED_NAMES, (0.9, 0.7))[persona]

    wealth = np.array([p.spending for p in PERSONAS])[persona] + generator.normal(0.0, 0.25, n_users)
    return Users(
        theme=np.clip(theme, 0.0, 1.0),
        style=np.clip(style, -1.0, 1.0),
        need=need,
        spending=0.7 * wealth,
        price_sensitivity=exp(-0.4 * wealth + generator.normal(0.0, 0.25, n_users)),
        quality_care=draw_lognormal(0.0, 0.3, n_users, generator),
        click_bias=generator.normal(0.0, 0.35, n_users),
        taste=generator.normal(0.0, 1.0, (n_users, 3)),
        activity=draw_lognormal(0.0, 0.9, n_users, generator),
        persona=persona,
        first_day=first_day,
    )


def _planted(field: str, names: tuple[str, ...], strengths: tuple[float, ...]) -> np.ndarray:
    """(personas, names): the strength with which each persona holds each name, 0 for the rest."""
    planted = np.zeros((len(PERSONAS), len(names)))
    for row, persona in enumerate(PERSONAS):
        for name, strength in zip(getattr(persona, field), strengths, strict=False):
            planted[row, names.index(name)] = strength
    return planted
