"""The shelf of the generated marketplace: what each product is, and the page that says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from learn_rank.datasets.arithmetic import draw_lognormal, log, power
from learn_rank.datasets.marketplace.listing import Listing, Product, compose_listing, pick, sample
from learn_rank.datasets.marketplace.people import NEED_NAMES, THEMES
from learn_rank.datasets.marketplace.vocabulary.needs import BRANDS, QUALITY_PRICE_FACTOR, met_needs
from learn_rank.datasets.marketplace.vocabulary.notation import DEPARTMENTS, Noun, Theme, vocabulary
from learn_rank.datasets.marketplace.vocabulary.styles import STYLES
from learn_recall.columns import ATTRIBUTES, BRAND, CATEGORY, ITEM_ID, KEYWORDS, PRICE, TITLE

FIRST_DAY = "first_day"
_N_TRIES = 30
_DEBUT_PROBABILITY = 0.8


@dataclass(frozen=True)
class Catalogue:
    """Planted nature of N items; rows are items, in the order of their ids.

    `theme`, `style` (N,) positions; `need` (N, needs) 0/1; `quality` (N,) 0, 1, 2; `price_level` (N,) log of
    price over the usual price of its noun; `popularity` (N,) exposure weights that sum to 1; `appeal` (N,)
    and `taste` (N, 3), which no word tells; `first_day` (N,); `noun` (N,) the words of the product type.
    """

    theme: np.ndarray
    style: np.ndarray
    need: np.ndarray
    quality: np.ndarray
    price_level: np.ndarray
    popularity: np.ndarray
    appeal: np.ndarray
    taste: np.ndarray
    first_day: np.ndarray
    noun: np.ndarray


@dataclass(frozen=True)
class Shelf:
    """What items are drawn from.

    Per brand its leaning to styles `style` (brands, styles) and to themes `theme` (brands, themes) and its
    `size` (brands,); the share `theme_share` (themes,) of the items that are of each theme.
    """

    style: np.ndarray
    theme: np.ndarray
    size: np.ndarray
    theme_share: np.ndarray


def draw_catalogue(
    first_day: np.ndarray,
    *,
    shelf: Shelf,
    new_words_from_day: int,
    debut_share: float,
    popularity_exponent: float,
    generator: np.random.Generator,
    first_number: int = 0,
    taken_titles: frozenset[str] = frozenset(),
) -> tuple[pd.DataFrame, Catalogue]:
    """The items table (with `first_day`) and the truth behind it.

    A share of the vocabulary (nouns, adjectives, lines, ...) makes its debut at `new_words_from_day`: no
    earlier item carries it, so that those words can be understood but not remembered.

    Args:
        first_day: (N,) day on which each item is first offered.
        shelf: brands and themes, of `draw_shelf`.
        new_words_from_day: first day of the kept words, used by most of the items that arrive from then on.
        debut_share: share of the vocabulary that is kept for later, in [0, 1).
        popularity_exponent: Zipf exponent of the exposure weights.
        generator: the only source of randomness.
        first_number: of the item ids.
        taken_titles: titles that other items have.
    """
    n_items = len(first_day)
    theme = generator.choice(len(THEMES), n_items, p=shelf.theme_share)
    quality = generator.choice(3, n_items, p=(0.25, 0.4, 0.35))
    style = np.zeros(n_items, dtype=np.int64)
    need = np.zeros((n_items, len(NEED_NAMES)))
    price, usual_price = np.zeros(n_items), np.zeros(n_items)
    rows, words = [], []
    titles = set(taken_titles)
    for item in range(n_items):
        topic = THEMES[theme[item]]
        is_debut = bool(first_day[item] >= new_words_from_day and generator.random() < _DEBUT_PROBABILITY)
        noun = pick(vocabulary(topic.nouns, debut_share, is_debut=is_debut), generator)
        style[item] = _draw_style(noun, generator)
        needs = _draw_needs(noun, topic, generator)
        need[item, [NEED_NAMES.index(name) for name in needs]] = 1.0
        brand = _draw_brand(shelf, style[item], theme[item], generator)
        product = Product(
            noun, topic, STYLES[style[item]], tuple(needs), int(quality[item]), brand, debut_share, is_debut
        )
        listing = _unseen_listing(titles, product, generator)
        price[item] = _draw_price(noun, int(style[item]), int(quality[item]), generator)
        usual_price[item] = noun.price
        rows.append(
            (listing.title, DEPARTMENTS[noun.department], brand, listing.keywords, listing.attributes)
        )
        words.append(noun.words)

    popularity = power(1.0 + generator.permutation(n_items), -popularity_exponent)
    items = pd.DataFrame(rows, columns=[TITLE, CATEGORY, BRAND, KEYWORDS, ATTRIBUTES])
    items.insert(0, ITEM_ID, [f"B0-{first_number + number:06d}" for number in range(n_items)])
    items.insert(4, PRICE, price)
    items[FIRST_DAY] = first_day
    log_popularity = log(popularity)
    catalogue = Catalogue(
        theme=theme,
        style=style,
        need=need,
        quality=quality,
        price_level=log(price / usual_price),
        popularity=popularity / popularity.sum(),
        appeal=0.25 * (log_popularity - log_popularity.mean()) + generator.normal(0.0, 0.45, n_items),
        taste=generator.normal(0.0, 1.0, (n_items, 3)),
        first_day=first_day,
        noun=np.array(words),
    )
    return items, catalogue


def draw_shelf(generator: np.random.Generator) -> Shelf:
    """Brands with their leanings and sizes, and how much of the shelf each theme takes."""
    style, theme = np.full((len(BRANDS), len(STYLES)), 0.4), np.full((len(BRANDS), len(THEMES)), 1.0)
    for brand in range(len(BRANDS)):
        style[brand, sample(range(len(STYLES)), 2, generator)] = 3.0
        theme[brand, sample(range(len(THEMES)), 6, generator)] = 4.0
    size = power(1.0 + generator.permutation(len(BRANDS)), -0.6)
    return Shelf(style, theme, size, generator.dirichlet(np.full(len(THEMES), 12.0)))


def _draw_brand(shelf: Shelf, style: int, theme: int, generator: np.random.Generator) -> str:
    weight = shelf.size * shelf.style[:, style] * shelf.theme[:, theme]
    return BRANDS[int(np.searchsorted(np.cumsum(weight), generator.random() * weight.sum(), side="right"))]


def _draw_style(noun: Noun, generator: np.random.Generator) -> int:
    while True:
        style = int(generator.integers(len(STYLES)))
        if not (noun.adults_only and STYLES[style].name == "kids"):
            return style


def _draw_needs(noun: Noun, theme: Theme, generator: np.random.Generator) -> list[str]:
    """None, one or two needs, those of the theme's buyers first."""
    possible = met_needs(noun)
    favourites = [name for name in theme.needs if name in possible]
    n_needs = int(generator.choice(3, p=(0.2, 0.45, 0.35)))
    chosen: list[str] = []
    while len(chosen) < n_needs:
        name = pick(favourites if favourites and generator.random() < 0.5 else possible, generator)
        if name not in chosen:
            chosen.append(name)
        elif len(possible) <= len(chosen):
            break
    return chosen


def _draw_price(noun: Noun, style: int, quality: int, generator: np.random.Generator) -> float:
    price = (
        noun.price
        * STYLES[style].price_factor
        * QUALITY_PRICE_FACTOR[quality]
        * float(draw_lognormal(0.0, 0.25, 1, generator)[0])
    )
    whole = max(1, round(price))
    return float(whole if price >= 150 else whole - pick((0.01, 0.05, 0.5), generator))


def _unseen_listing(titles: set[str], product: Product, generator: np.random.Generator) -> Listing:
    """A page whose title no other item has, as far as some tries can find one; `titles` takes it in."""
    for _ in range(_N_TRIES):
        listing = compose_listing(product, generator)
        if listing.title not in titles:
            break
    titles.add(listing.title)
    return listing
