"""Vocabulary of the generated marketplace: what buyers need, how good a product is, sizes and makers."""

from __future__ import annotations

from dataclasses import dataclass

from learn_rank.datasets.marketplace.vocabulary.notation import Noun, phrases

# need -> {kinds of product that can meet it: the lines that say so, none of them with the need's name}
NEEDS: dict[str, dict[str, tuple[str, ...]]] = {
    "weatherproof": {
        "mwcklpvx": phrases("""
            sealed against driving rain; shrugs off a downpour; IPX7 rated; taped seams; salt spray leaves no
            mark; water beads and rolls away; happy to be left out all winter; dries within the hour; keeps
            the damp out; unbothered by hail or drizzle
        """),
    },
    "easyclean": {
        "cl": phrases(
            "machine wash at 40; stains lift with a damp cloth; tumble dry; crumbs shake right off"
        ),
        "mwegpvk": phrases("""
            wipes down in seconds; nothing sticks to it; no corners where dirt can hide; spills lift with a
            damp sponge; scrubs up like new; fingerprints buff away
        """),
    },
    "compact": {
        "mckpvbx": phrases("""
            folds flat; slips into a coat pocket; weighs less than an apple; lives in the narrowest drawer;
            packs to the size of a fist; hangs behind a door; takes up no more room than a mug; hand-luggage
            friendly
        """),
    },
    "gentle": {
        "cl": phrases(
            "kind to sensitive skin; no scratchy labels; softer after each wash; certified free of harsh dyes"
        ),
        "s": phrases(
            "suits eczema-prone skin; free of perfume and parabens; dermatologically tested; no stinging"
        ),
        "f": phrases(
            "free from nuts and gluten; no added sugar; easy on the stomach; without major allergens"
        ),
        "npxew": phrases(
            "free of BPA and phthalates; rounded edges throughout; hypoallergenic; no toxic finishes"
        ),
    },
    "giftable": {
        "mwlegbfsnxck": phrases("""
            comes gift-wrapped with a ribbon; we write the card for you; a safe bet for godparents; in a
            keepsake box; ideal for somebody who has everything; ready for under the tree; a lovely
            thank-you; engraved with a name free of charge
        """),
    },
    "repairable": {
        "mwlvxck": phrases("""
            every part can be ordered singly; held together by ordinary screws; repair guide in the box;
            spares kept for twenty years; free stitching-up for life; opens with a coin; sharpened or
            re-soled by us at cost
        """),
    },
    "effortless": {
        "vxp": phrases("""
            working within a minute; a single button; no app and no account; needs no tools to put together;
            understood without a manual; charges while you make tea
        """),
        "fn": phrases("ready in two minutes; just add water; no fuss and no recipe; looks after itself"),
    },
    "quiet": {
        "vxcp": phrases("""
            quieter than a whisper; will not wake anybody; no clicks and no hum; rated under 25 decibels;
            rubber feet stop the rattle
        """),
    },
    "handmade": {
        "mwclkegbsnx": phrases("""
            put together by two sisters in Porto; no two are quite alike; made one at a time; from a family
            workshop; stitched or shaped by the hand of one craftsman; maker's thumbprint on the base
        """),
        "f": phrases("small batches from a village kitchen; stirred by hand; labelled by the farmer herself"),
    },
}


@dataclass(frozen=True)
class BuyerVerdict:
    """What buyers say of a class of goods at one level of quality: sentences over judgements and aspects."""

    sentences: tuple[str, ...]
    judgements: tuple[str, ...]
    aspects: tuple[str, ...]


_ASPECTS = {
    "goods": phrases("""
        workmanship; finish; construction; materials; fit; durability; craftsmanship; assembly; details;
        build; performance; design; edges; overall quality; stability
    """),
    "consumables": phrases("""
        freshness; texture; ingredients; consistency; aroma; quality; flavour or scent; blend; packaging;
        purity; results; richness
    """),
    "paper": phrases("""
        binding; print quality; paper; layout; editing; illustrations; content; cover; typography;
        proofreading; contents
    """),
}
_POOR = phrases("""
    flimsy; shoddy; disappointing; sloppy; awful; unreliable; inferior; poor; horrible; defective;
    unsatisfactory; bad; second-rate; terrible; substandard; appalling; dreadful; lousy; faulty; abysmal
""")
_ORDINARY = phrases(
    "acceptable; standard; average; ordinary; regular; decent; usual; fair; middling; adequate"
)
_EXCELLENT = phrases("""
    superb; excellent; outstanding; flawless; first-rate; impeccable; exceptional; faultless; magnificent;
    superior; wonderful; brilliant; top-notch; splendid; marvellous; fantastic; perfect; amazing; terrific;
    stunning
""")
_POOR_SENTENCES = phrases("""
    buyers complain of {judgement} {aspect}; often returned for {judgement} {aspect}; {judgement} {aspect},
    say most reviews; {judgement} {aspect} and no refunds; one star for the {judgement} {aspect}; reduced
    because of {judgement} {aspect}; let down by {judgement} {aspect}; nobody would order this {judgement}
    {aspect} twice; a warning about the {judgement} {aspect}; regrets on account of {judgement} {aspect};
    {judgement} {aspect} spoil it; sold as seen with {judgement} {aspect}
""")
_ORDINARY_SENTENCES = phrases("""
    {judgement} {aspect}; {judgement} {aspect} for the money; reviews mention {judgement} {aspect}; three
    stars for {aspect}; nothing special but {judgement} {aspect}; {judgement} {aspect}, neither good nor bad;
    the {judgement} {aspect} will do; no surprises and {judgement} {aspect}
""")
_EXCELLENT_SENTENCES = phrases("""
    buyers rave about the {judgement} {aspect}; award for {judgement} {aspect}; {judgement} {aspect}, say all
    reviews; {judgement} {aspect} that people reorder; five stars for the {judgement} {aspect}; loved for its
    {judgement} {aspect}; praised for {judgement} {aspect}; delighted owners write of {judgement} {aspect};
    best in test with {judgement} {aspect}; {judgement} {aspect}, guaranteed for life; critics celebrate the
    {judgement} {aspect}; a joy thanks to {judgement} {aspect}
""")
VERDICTS: dict[str, tuple[BuyerVerdict, BuyerVerdict, BuyerVerdict]] = {
    name: (
        BuyerVerdict(_POOR_SENTENCES, _POOR, aspects),
        BuyerVerdict(_ORDINARY_SENTENCES, _ORDINARY, aspects),
        BuyerVerdict(_EXCELLENT_SENTENCES, _EXCELLENT, aspects),
    )
    for name, aspects in _ASPECTS.items()
}
"""Class of goods -> the verdicts on poor (0), ordinary (1) and excellent (2) products."""

# title words and keywords of poor (0) and excellent (2) products; ordinary ones (1) have none
QUALITY_FLAGS: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] = (
    phrases("""
        clearance; damaged-box; factory-second; b-stock; returned; shop-soiled; imperfect; scratched; reject;
        marked-down; dented; leftover
    """),
    (),
    phrases("""
        award-winning; best-selling; top-rated; five-star; critically acclaimed; prize-winning; highly
        recommended; gold-medal; much-praised; bestselling; celebrated; customers' favourite
    """),
)

QUALITY_CLASS = {kind: "goods" for kind in "mwcklegpvx"}
QUALITY_CLASS |= {"f": "consumables", "s": "consumables", "n": "consumables", "b": "paper"}
QUALITY_PRICE_FACTOR = (0.8, 1.0, 1.25)

# kind -> further title words (a pack, a size, an edition); kinds without an entry are given a colour
VARIANTS: dict[str, tuple[str, ...]] = {
    "f": phrases("250 g; family pack; pack of six; 1 kg; tasting size; resealable bag; box of twelve"),
    "s": phrases("100 ml; 200 ml; travel size; refill; twin pack; 50 ml; large jar"),
    "b": phrases("second edition; A5; large format; illustrated; A4; with index; revised"),
    "n": phrases("natural; large; medium; twin pack"),
    "x": phrases("new version; mark II; standard size; large; small; 2024 model"),
    "g": phrases("clear; smoked; amber; medium; large"),
}

BRANDS = phrases("""
    Larkwell; Ostrand; Pemberly Row; Quillon; Mirrowen; Bexhart; Tamsin Grey; Norvik & Daughters; Halden
    Lane; Fennimore; Sorrelby; Oakhurst Seven; Juniper Vale; Brackenfold; Calder & Wren; Dovetree; Elmsworth;
    Farrowmint; Gildersea; Hobnail; Ingleby & Moss; Jarrowdale; Kitterwick; Lumenhof; Marlowe Pike;
    Nettlefold; Orrin; Plumb & Tanner; Quince Harbour; Rookhaven; Saltmarsh; Thistledown Works; Umberton;
    Vesperine; Wexcombe; Yarrow & Pell; Zephyrine; Aldersyde; Bluepost; Copperline; Drumlin; Eastermoor;
    Foxglade; Greyfriar; Hatherley; Isolde & Sons; Jasperoo; Knollwood; Lintwhite; Mossbank; Northgate Nine;
    Ottoline; Pikestaff; Quarrel & Pip; Ravensbourne; Skerry; Tolliver; Underhill; Velda; Whistlestop;
    Ashgrove Mill; Barrowby; Clementine Ho; Dunmarrow; Evermoor; Fiddlewood; Grantley Hex; Harkness; Ivorine;
    Jubilee Yard; Kestwick; Lowther & Lim; Muncaster; Nightjar; Oslet; Penhallow; Quaverly; Rivington Ash;
    Sandbeck; Tern & Tide; Ullsmere; Verity Holt; Wendover; Xanthe; Yewtree; Zinnober; Arkwell; Bramblehay;
    Corrigan Pye; Daleford; Edgemont; Finchley Moon; Gorsebrook; Hollin; Ilex; Jorvane; Kelda; Lapwing Green;
    Merriweather Lot; Nunnery Lane; Orchid & Iron; Perrin; Quoin; Roebuck; Starling Press; Tideswell; Upland;
    Vantage Row; Wrenfield; Yonder & Co
""")

# a product that usually costs more is taken to be too big to "slip into a coat pocket"
_LARGEST_COMPACT_PRICE = 50

_SPECIFICATIONS: dict[str, tuple[str, ...]] = {
    "m": phrases("{n} g; {n} mm long; {c} cm; rust-proofed"),
    "w": phrases("{c} cm wide; oiled twice; {c} cm tall"),
    "c": phrases("sizes XS to XXL; fabric of {n} g per square metre; cut long"),
    "k": phrases("{l} litres; {l} litres with two pockets; padded straps"),
    "l": phrases("two years to a patina; {c} cm; brass eyelets"),
    "e": phrases("{c} cm across; holds {n} ml"),
    "g": phrases("holds {n} ml; {c} cm high"),
    "p": phrases("{n} g; {c} cm; available in three sizes"),
    "b": phrases("{n} pages; {n} pages and a ribbon; large type"),
    "f": phrases("best within {l} weeks; {n} kcal per 100 g"),
    "v": phrases("{l} W; cable of {m} m; runs {l} hours on a charge"),
    "s": phrases("for daily use; open jar keeps {l} months"),
    "n": phrases("from our own fields; {c} cm on arrival"),
    "x": phrases("{n} g; {c} cm; one in the box"),
}


def specification_templates(kind: str) -> tuple[str, ...]:
    """Technical lines of a product kind, with blanks {n} 90..900, {c} 12..90, {l} 3..40 and {m} 1..3."""
    return _SPECIFICATIONS[kind]


def met_needs(noun: Noun) -> tuple[str, ...]:
    """Names of the needs that a product of this type can meet, in the order of `NEEDS`."""
    return tuple(
        need
        for need, by_kind in NEEDS.items()
        if any(noun.kind in kinds for kinds in by_kind)
        and not (need == "compact" and noun.price > _LARGEST_COMPACT_PRICE)
    )


def need_lines(need: str, noun: Noun) -> tuple[str, ...]:
    """The lines by which a product of this type says that it meets the need."""
    return next(lines for kinds, lines in NEEDS[need].items() if noun.kind in kinds)
