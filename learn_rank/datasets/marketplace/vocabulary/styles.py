"""Vocabulary of the generated marketplace: six styles, told by adjectives, materials, colours and lines."""

from __future__ import annotations

from dataclasses import dataclass

from learn_rank.datasets.marketplace.vocabulary.notation import phrases


@dataclass(frozen=True)
class Style:
    """A latent manner of a product, such as minimalist.

    `adjectives` and `materials` are keyed by product kind (see `marketplace_theme.KINDS`; the key "" holds
    the adjectives of all kinds that have none of their own). `price_factor` multiplies the usual price.
    """

    name: str
    price_factor: float
    adjectives: dict[str, tuple[str, ...]]
    materials: dict[str, tuple[str, ...]]
    colours: tuple[str, ...]
    lines: tuple[str, ...]
    keywords: tuple[str, ...]


def _style(
    name: str,
    price_factor: float,
    *,
    goods: str,
    paper: str,
    food: str,
    skin: str,
    materials: dict[str, str],
    colours: str,
    lines: str,
    keywords: str,
) -> Style:
    return Style(
        name=name,
        price_factor=price_factor,
        adjectives={"": phrases(goods), "b": phrases(paper), "f": phrases(food), "s": phrases(skin)},
        materials={kind: phrases(text) for kind, text in materials.items()},
        colours=phrases(colours),
        lines=phrases(lines),
        keywords=phrases(keywords),
    )


MINIMALIST = _style(
    "minimalist",
    1.1,
    goods="""
    understated; pared-back; clean-lined; unadorned; simple; plain; uncluttered; Scandinavian; sleek;
    slimline; bare-bones
    """,
    paper="unillustrated; plain-spoken; slim; uncluttered; concise; clear",
    food="single-ingredient; pure; plain and simple; nothing-added; unsweetened",
    skin="unscented; five-ingredient; pared-back; bare; no-fuss",
    materials={
        "m": "matte steel; brushed aluminium; sandblasted titanium",
        "w": "pale birch; whitewashed ash; smooth beech",
        "c": "undyed cotton; plain-weave linen; smooth jersey",
        "k": "plain canvas; undyed cotton duck; matte nylon",
        "l": "smooth calfskin; plain vegetable-tanned leather",
        "e": "bisque stoneware; matte porcelain; unglazed clay",
        "g": "clear glass; frosted glass",
        "p": "matte silicone; soft-touch polymer",
    },
    colours="Chalk; Pebble Grey; Off-White; Slate; Ink Black; Sand",
    lines="""
    no logo anywhere; one shape and nothing to add; drawn with as few lines as possible; disappears into a
    calm room; less to look at and less to go wrong; straight edges and plain surfaces; designed in Aarhus; a
    single colour throughout; all the ornament has been left out; so plain you forget it
    """,
    keywords="minimal; Nordic design; plain; simple living; clean look; monochrome",
)

LUXURY = _style(
    "luxury",
    2.3,
    goods="heirloom; opulent; deluxe; exquisite; prestige; sumptuous; grand; bespoke; lavish; royal",
    paper="clothbound; gilt-edged; collector's; slipcased; numbered; leather-bound",
    food="grand cru; connoisseur's; reserve; truffled; hand-selected; champagne-grade",
    skin="gold-flecked; precious; Parisian; couture; indulgent; caviar",
    materials={
        "m": "hand-polished silver; gold-plated brass; mirror-finished copper",
        "w": "figured walnut; rosewood; lacquered ebony",
        "c": "cashmere; mulberry silk; Egyptian cotton",
        "k": "silk-lined jacquard; monogrammed canvas; suede-trimmed twill",
        "l": "Italian calfskin; bridle leather; ostrich leather",
        "e": "bone china; gilded porcelain; hand-painted faience",
        "g": "lead crystal; mouth-blown glass",
        "p": "tortoiseshell acetate; mother-of-pearl resin",
    },
    colours="Oxblood; Champagne; Midnight Sapphire; Antique Gold; Emerald; Ivory",
    lines="""
    arrives in a lined presentation case; by appointment to a small royal house; monogramming on request;
    numbered and signed by the maker; for those who never ask the price; finished in 24 carat details;
    stocked by five hotels on Lake Como; forty hours of work in each; a white-glove courier brings it; the
    sort of thing that is left in a will
    """,
    keywords="premium; high-end; designer; indulgence; exclusive; five-star",
)

BUDGET = _style(
    "budget",
    0.5,
    goods="""
    value; no-frills; basic; thrifty; everyday; bargain; economy; starter; low-cost; penny-wise; discount;
    cut-price
    """,
    paper="paperback; bargain; pocket-money; second-run; discount; newsprint",
    food="value; store-cupboard; everyday; family-saver; thrifty; basic",
    skin="everyday; value; pharmacy; bulk-buy; basic; thrifty",
    materials={
        "m": "pressed tin; chromed steel; zinc alloy",
        "w": "softwood; chipboard; plywood",
        "c": "polyester; cotton-mix; acrylic",
        "k": "polyester; woven polypropylene; thin nylon",
        "l": "bonded leather; faux leather",
        "e": "plain earthenware; factory ceramic",
        "g": "pressed glass; soda glass",
        "p": "plastic; PVC; vinyl",
    },
    colours="Assorted Colours; Navy; Grey; Basic Black; Red; White",
    lines="""
    costs less than a takeaway; does the job and asks little; the cheapest we could make without blushing;
    student purses welcome; same factory as the dear one; save the difference for a holiday; no box and no
    brochure; two for the price of one and a half; priced for a tight month; the offer of the week most weeks
    """,
    keywords="cheap; saver; affordable; multipack deal; discount; low price",
)

ECO = _style(
    "eco",
    1.2,
    goods="""
    recycled; upcycled; low-impact; plastic-free; fairly traded; climate-neutral; sustainable; reclaimed;
    earth-friendly; zero-waste; solar-made
    """,
    paper="recycled-paper; carbon-neutral; tree-free; soy-inked; second-life",
    food="organic; fairly traded; small-farm; regenerative; biodynamic; palm-oil-free",
    skin="plant-based; refillable; plastic-free; organic; cruelty-free; reef-safe",
    materials={
        "m": "reclaimed steel; recycled aluminium; salvaged copper",
        "w": "FSC oak; bamboo; driftwood",
        "c": "organic cotton; hemp; nettle-fibre",
        "k": "recycled sailcloth; hemp canvas; reclaimed tarpaulin",
        "l": "cactus leather; olive-tanned leather; apple-skin leather",
        "e": "local clay; recycled-glaze stoneware",
        "g": "recycled glass; bottle-bank glass",
        "p": "corn-starch bioplastic; ocean-plastic; natural rubber",
    },
    colours="Moss; Oat; Undyed; Lichen; Clay; Fern",
    lines="""
    returns to the earth in two summers; made where the roof is covered in solar panels; leaves nothing for
    landfill; a tree is planted for each one sold; wrapped in mushroom packaging; shipped by sail where the
    wind allows; certified by two green labels and audited by a third; living wages along the whole chain;
    its footprint is printed on the label; bring it back and we make another
    """,
    keywords="sustainable; ethical; biodegradable; green choice; carbon footprint; vegan friendly",
)

KIDS = _style(
    "kids",
    0.85,
    goods="""
    my first; junior; mini; cheerful; candy-striped; rainbow; cartoon; pint-sized; giggly; playground;
    pirate; unicorn
    """,
    paper="picture-filled; junior; pop-up; young explorer's; lift-the-flap; schoolyard",
    food="lunchbox; fun-size; funny-face; alphabet; little monster",
    skin="tear-free; strawberry; junior; bubblegum; mermaid",
    materials={
        "m": "powder-coated steel; rounded tin",
        "w": "painted beech; chunky birch; crayon-bright pine",
        "c": "dinosaur-print cotton; fluffy fleece; glow-in-the-dark jersey",
        "k": "robot-print canvas; wipe-clean oilcloth; star-spangled nylon",
        "l": "soft suede; animal-eared leather",
        "e": "animal-faced ceramic; chunky stoneware",
        "g": "unbreakable glass",
        "p": "squishy silicone; jelly-bright plastic; chewable rubber",
    },
    colours="Sunshine Yellow; Bubblegum; Dinosaur Green; Tangerine; Sky Blue; Sprinkles",
    lines="""
    sized for small hands; a sticker sheet comes with it; recommended from the age of four; teachers smiled;
    survives being dropped from a treehouse; name tag included for the cloakroom; makes a grown-up job feel
    like play; comes with a colouring page; instructions told by a friendly otter; helps schoolchildren join
    in
    """,
    keywords="""
    children; for boys and girls; young beginners; school age; playful; birthday present for youngsters
    """,
)

PROFESSIONAL = _style(
    "professional",
    1.6,
    goods="""
    workshop-grade; competition-grade; studio-grade; heavy-duty; expert; industrial; precision; pro-series;
    calibrated; championship
    """,
    paper="comprehensive; advanced; peer-reviewed; reference; masterclass; practitioner's",
    food="chef's; catering-grade; high-performance; training-table; trade-counter",
    skin="clinical; salon-strength; dermatologist's; therapist's; laboratory",
    materials={
        "m": "forged steel; tungsten alloy; aircraft aluminium",
        "w": "laminated maple; kiln-dried hickory; marine plywood",
        "c": "technical softshell; compression-knit; 400-thread twill",
        "k": "ballistic nylon; 1000-denier Cordura; bar-tacked canvas",
        "l": "full-grain cowhide; saddle leather",
        "e": "vitrified porcelain; laboratory ceramic",
        "g": "borosilicate glass; tempered glass",
        "p": "glass-filled nylon; carbon composite; medical-grade silicone",
    },
    colours="Gunmetal; Signal Orange; Carbon; Graphite; Hi-Vis Yellow; Steel Blue",
    lines="""
    specified to a tolerance and tested to it; used daily by people who invoice for it; serial number and
    test sheet supplied; meets the regulations of six countries; rated for continuous duty; developed with a
    national team; bench-tested for ten thousand cycles; the apprentice is not allowed to borrow it; data
    sheet on request; what the specialists order by the dozen
    """,
    keywords="trade quality; expert level; pro; specialist; competition; technical",
)

STYLES = (MINIMALIST, LUXURY, BUDGET, ECO, KIDS, PROFESSIONAL)
