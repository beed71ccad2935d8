"""Vocabulary of the generated marketplace: interests that live in the house."""

from __future__ import annotations

from learn_rank.datasets.marketplace.vocabulary.notation import theme

BAKING = theme(
    "baking",
    needs="easyclean handmade giftable",
    nouns="""
    planetary stand mixer|260|Ev; proving basket|24|Hx; bench scraper|11|Tm; sourdough starter jar|19|Hg;
    loaf tin|16|Hm; piping nozzles|14|Hm+; rolling pin|22|Hw; icing turntable|34|Hm; madeleine tray|20|Hm;
    dough whisk|13|Tm; digital flour scale|29|Ev; oven thermometer|15|Em; pastry cook's apron|32|Cc; linen
    couche|21|Hc; bread lame|12|Tm!; strong white flour|7|Ff~; Madagascan vanilla pods|16|Ff+; dark
    couverture buttons|14|Ff+; rainbow sprinkles|6|Ff+; quick-rise yeast|5|Ff~; gingerbread cutters|13|Gm+;
    toy cupcake oven|38|Gw; pâtissier's memoir|17|Bb; encyclopedia of laminated dough|36|Bb; recipe card
    box|23|Bw; oven mitts|18|Cc+; tiered dessert stand|42|He; pie weights|12|He+; springform pan|24|Hm;
    biscuit barrel|33|He; palette icing knife|10|Tm; sponge carrier|28|Lp; macaron mat|14|Hp; balm for floury
    knuckles|11|Ss; crusty-loaf keeper|15|Lk; croissant plush|18|Gc; baguette tote|19|Lk; sugar
    thermometer|17|Ev
    """,
    uses="""
    Saturday loaves; birthday layers; towering meringues; wild-yeast beginners; flaky pastry; bake sales;
    sticky buns; first-time rye; weekend patisserie; festive shortbread; slow ferments; showstoppers; warm
    scones; feeding a crowd with brioche
    """,
    praises="""
    no soggy bottoms so far; smells of butter and patience; what the corner boulangerie uses at four in the
    morning; rises to the occasion; crumb lovers agree; handed over with a favourite recipe; wins second
    helpings; forgives a heavy hand with the sugar; the village fête ran on it; for kitchens with flour on
    the ceiling; crust you can hear; makes even Mondays golden brown
    """,
    keywords="""
    sourdough; patisserie; cake decorating; pastry; oven; dough; sponge; frosting; bread making;
    confectionery; cookies; kneading; buns; sweet treats
    """,
)

COFFEE = theme(
    "coffee",
    needs="effortless easyclean compact",
    nouns="""
    burr grinder|130|Ev!; lever espresso machine|540|Ev!; gooseneck kettle|69|Ev!; pour-over dripper|24|He!;
    cafetière|34|Hg!; moka pot|32|Hm!; cone filter papers|6|Hx+!; levelling tamper|26|Tm!; knock box|29|Tx!;
    milk frother|38|Ev!; latte art jug|22|Hm!; demitasse cups|28|He+!; thermal tumbler|30|Hm!; Ethiopian
    whole beans|16|Ff+!; dark roast house blend|13|Ff~!; decaf capsules|9|Ff+!; cold brew
    concentrate|11|Ff~!; hazelnut barista syrup|8|Ff~!; home roasting drum|210|Tm!; descaling tablets|8|Tx+!;
    brew timer|44|Ev!; cupping spoons|19|Tm+!; barista's waist apron|39|Cc!; roastery cap|22|Cc!; airtight
    bean canister|27|Lm!; arabica body scrub|14|Ss~!; caffeine eye serum|21|Ss!; atlas of growing
    regions|33|Bb!; tasting-notes journal|14|Bb!; portraits of Viennese cafés|38|Bb!; flavour wheel
    print|19|Hx!; espresso enamel pin|7|Gx!; percolator|46|Hm!; siphon brewer|92|Hg!; cortado
    glasses|20|Hg+!; toy café counter|64|Gw; group head brush|9|Tx!; brewer's travel pouch|31|Lk!; keep-cup
    cardigan|34|Cc!
    """,
    uses="""
    slow mornings; flat white purists; the first cup; ristretto lovers; after-lunch cortados; office caffeine
    runs; single-origin explorers; crema chasers; night-shift refills; iced americanos; home baristas;
    aspiring roasters; filter fanatics; two sugars and no guilt
    """,
    praises="""
    pulls you out of bed; decided by blind cupping; the roaster's own kitchen has one; notes of cocoa and
    mild smugness; crema you could stand a spoon in; ends the queue at the corner kiosk; found behind the
    counter in Trieste; because instant was a phase; wakes the whole street; at its best before nine; kind to
    the morning mood; the aroma arrives before you do
    """,
    keywords="""
    espresso; barista; arabica; brewing; roast; latte; caffeine; filter brew; cappuccino; crema; beans;
    mocha; cold brew; café
    """,
)

BABY = theme(
    "baby care",
    needs="gentle easyclean effortless",
    nouns="""
    nappy caddy|32|Lk; muslin swaddle|22|Cc; knitted bootees|15|Cc+; zip-up sleepsuit|19|Cc; teething
    ring|12|Gp; stacking cups|14|Gp+; cot mobile|38|Gw; night-light with lullabies|34|Ev; nursery video
    monitor|130|Ev; bottle steriliser|72|Ev; bathwater thermometer|16|Ev; catch-all bib|13|Hp; weaning
    spoons|15|Hp+; puréed pear pouches|11|Ff+; melt-away rusks|6|Ff+; nappy rash cream|9|Ss~; bedtime bubble
    wash|11|Ss~; soft-bristle hairbrush|14|Sw; changing mat|36|Hx; crib sheet|24|Hc; rocking bassinet|190|Hw;
    high chair|145|Hw; stair gate|58|Tm; cupboard safety latches|12|Tp+; pushchair rain cover|26|Tp; wrap
    sling|79|Cc; milestone cards|14|Bx+; crinkle cloth book|13|Bx; goodnight board book|10|Bb; newborn memory
    album|29|Bb; tummy-time gym|65|Gc; dribble bandana|9|Cc; guide to the first foods|16|Bb; stroller
    organiser|25|Lk; rattle|11|Gw; breastfeeding cushion|44|Hc; dummy clip|8|Gw; sun-safe romper|24|Cc;
    breast pump|120|Ev!
    """,
    uses="""
    newborns; little teethers; tiny toes; first steps; midnight feeds; wriggly changes; twins; crawlers; nap
    time; christening presents; expectant mums; the maternity bag; tired parents; small tummies
    """,
    praises="""
    midwives pass it on to new mothers; survives a six-month-old; lets everybody sleep a little longer;
    tested by an impatient panel under one; a hit at the toddler group; for fingers that have only just found
    themselves; grandma approved; soothes the witching hour; grows along until the third birthday; free of
    small parts; the health visitor asked where we bought it; first in the nursery and last to be given away
    """,
    keywords="""
    newborn; infant; nursery; toddler; weaning; maternity; parenting; lullaby; swaddling; pram; cot; little
    ones; baby shower; bedtime routine
    """,
)

PETS = theme(
    "pets",
    needs="easyclean gentle quiet",
    nouns="""
    orthopaedic dog bed|75|Hc; retractable lead|22|Tx; martingale collar|19|Cl; reflective harness|32|Ck;
    knitted whippet jumper|27|Cc; scratching post|48|Hw; litter scoop|9|Tp; hooded litter tray|39|Hp; catnip
    mouse|6|Gc; squeaky hedgehog|9|Gc; rope tug|11|Gx; treat puzzle|21|Gw; grain-free kibble|38|Ff~; salmon
    training treats|8|Ff+; dental chews|13|Ff+; bone broth topper|10|Ff~; slow-feeder bowl|17|He; trickling
    cat fountain|42|Ev; automatic feeder|88|Ev; collar tracker|64|Ev; treat-tossing camera|120|Ev; claw
    grinder|28|Ev; undercoat rake|18|Tm; oatmeal shampoo for itchy coats|13|Ss; paw wax|11|Ss~; flea
    comb|7|Sm; kitten carrier|59|Lk; walkies pouch|16|Lk; travel crate|95|Lp; puppy training manual|17|Bb;
    spotter's book of breeds|29|Bb; memoir of a rescue greyhound|14|Bb; vaccination record book|8|Bb; hamster
    wheel|20|Gp; aquarium pump|36|Ev; parrot perch|18|Hw; rabbit hutch|140|Hw; window hammock for
    tabbies|33|Hc; terrier bow tie|12|Cc; guinea pig tunnel|15|Gc
    """,
    uses="""
    senior Labradors; curious kittens; muddy paws; indoor tabbies; rescue mutts; anxious hounds; spaniels
    with energy; nibbling rabbits; strong chewers; flat-faced breeds; vet visits; moggies with opinions;
    long-haired cats; park zoomies
    """,
    praises="""
    tails wag on delivery; passed the dachshund test; the vet's own spaniel has one; good boys and girls
    only; ignored for a day and then adored; no fur was ruffled; keeps whiskers dry; nine lives not included;
    greeted with purring; recommended by the shelter in our town; for the one who waits behind the door;
    sniffed and accepted by 200 noses
    """,
    keywords="""
    dog; cat; puppy; kitten; four-legged friend; walkies; grooming coats; animal companion; paws; feline;
    canine; rodent; pet owner; kennel
    """,
)

OFFICE = theme(
    "home office",
    needs="quiet effortless compact",
    nouns="""
    standing desk|380|Hw; ergonomic task chair|290|Hx; monitor arm|88|Em; lumbar cushion|36|Hc; desk
    blotter|27|Hl; filing cabinet|135|Hm; cable tidy|18|Lp; letter tray|21|Hm; bookends|26|Hm+; swing-arm
    task lamp|64|Ev; webcam|72|Ev; conference speaker|109|Ev; label printer|85|Ev; paper shredder|94|Ev!;
    document scanner|170|Ev; laptop riser|42|Em; vertical mouse|45|Ev; wall planner|18|Bx; week-to-view
    diary|16|Bb; fountain pen|48|Bx; gel rollerballs|9|Bx+; sticky notes|6|Bx+; stapler|13|Tm; hole
    punch|14|Tm; messenger briefcase|120|Ll; padded notebook sleeve|34|Lk; video-call blazer|95|Cc;
    smart-casual polo|48|Cc; angled footrest|39|Hw; eye drops for screen fatigue|10|Ss+; carpal tunnel
    brace|19|Sx; four o'clock oat biscuits|7|Ff+; desk-drawer green tea|9|Ff~; guide to deep focus|15|Bb;
    freelancer's tax handbook|24|Bb; desktop Zen garden|18|Gw; stress ball|9|Gp; acoustic wall panel|55|Hx;
    out-tray basketball hoop|13|Gp
    """,
    uses="""
    remote teams; inbox zero; nine-to-five from the spare room; quarterly reports; back-to-back meetings;
    freelancers; tidy accountants; spreadsheet marathons; the kitchen-table commute; clear desks; deadline
    weeks; hybrid workers; minute takers; people with too many tabs
    """,
    praises="""
    looks respectable on video calls; the colleague who never replies all; approved by human resources; makes
    paperwork bearable; survives Monday stand-ups; posture coaches nod; clears the in-tray by noon; ordered
    again by three law firms; keeps receipts where auditors find them; quietly raises productivity; closes
    the laptop at five; deductible in most countries
    """,
    keywords="""
    workspace; productivity; desk setup; stationery; remote work; conference call; ergonomics; paperwork;
    study room; business; filing; telecommuting; bureau; typing
    """,
)

BATH = theme(
    "bath and spa",
    needs="gentle giftable handmade",
    nouns="""
    fizzing bath bombs|16|Ss+; eucalyptus shower steamers|14|Ss+; Dead Sea salt soak|17|Ss~; goat's milk
    soap|8|Ss~; clay face mask|22|Ss; jade roller|21|Sx; retinol night cream|34|Ss~!; hyaluronic
    serum|28|Ss!; pillow mist|15|Ss; loofah|9|Sn; body brush|17|Sw; pumice stone|7|Sn; towelling robe|69|Cc;
    waffle slippers|24|Cc+; silk sleep mask|26|Cc; hair-drying turban|18|Cc; hammam towel|32|Hc; over-tub
    caddy|38|Hw; scented candle|27|Hg; reed diffuser|33|Hg; tufted bath mat|25|Hc; shower stool|58|Hw;
    ultrasonic aroma diffuser|45|Ev; bubbling foot spa|64|Ev; facial steamer|52|Ev; heated towel rail|130|Ev;
    sonic cleansing wand|79|Ev; toiletry pouch|29|Lk; refillable travel bottles|12|Lp+; chamomile bedtime
    infusion|8|Ff~; lavender honey|11|Ff~; rubber duck|6|Gx; tub crayons|9|Gx+; pampering box|48|Gx;
    meditations for the bathtub|19|Bb; gratitude diary|15|Bb; cuticle nippers|16|Tm+!; crystal nail
    file|6|Tx; gua sha stone|19|Tx
    """,
    uses="""
    long soaks; candlelit evenings; glowing skin; tired feet; Sunday-night unwinding; stressed shoulders;
    sleepy rituals; dry complexions; steamy bathrooms; self-care weekends; overworked hands; beauty sleep;
    bridal pampering; a facial at home
    """,
    praises="""
    like a short stay in Baden-Baden; leaves the bathroom smelling of an orange grove; do not disturb for an
    hour; the masseuse's little secret; wrinkled fingertips guaranteed; melts the week away; softens elbows
    and tempers; a cloud for tense muscles; wrapped in calm; found in thermal hotels; lowers the shoulders by
    two centimetres; best enjoyed with the door locked
    """,
    keywords="""
    relaxation; skincare; spa day; aromatherapy; pampering; bubble bath; moisturising; beauty ritual;
    exfoliating; self-care; tranquillity; facial; soothing; wellness
    """,
)

THEMES_HOME = (BAKING, COFFEE, BABY, PETS, OFFICE, BATH)
