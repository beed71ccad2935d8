"""Vocabulary of the generated marketplace: interests that are followed out of doors."""

from __future__ import annotations

from learn_rank.datasets.marketplace.vocabulary.notation import theme

HIKING = theme(
    "hiking",
    needs="weatherproof compact repairable",
    nouns="""
    trekking poles|65|Tm+; packable rain shell|110|Cx; merino base layer|62|Cc; ankle-high boots|140|Cl+;
    wool crew socks|18|Cc+; scree gaiters|38|Ck+; 30-litre rucksack|95|Lk; roll-top dry bag|22|Lp; hydration
    bladder|32|Tp; head torch|45|Ev; altimeter watch|240|Ev; baseplate compass|28|Tx; topographic chart
    sleeve|16|Lp; ridgeline scratch map|24|Gx; blister balm|9|Ss~; sun hat with neck flap|29|Cc; vacuum
    flask|34|Hm; oat-and-date energy bars|19|Ff+; peppered venison jerky|12|Ff~; freeze-dried mountain
    porridge|8|Ff~; field guide to alpine flowers|21|Bb; summit logbook|15|Bb; emergency bivvy|19|Tx; down
    gilet|125|Cx; zip-off trousers|74|Cc+; handheld GPS unit|210|Ev; satellite messenger|290|Ev!;
    crampons|120|Tm+!; carabiner|8|Tm; midge repellent|11|Ss; waist pack|36|Lk; mountain hut card game|17|Gx;
    national park poster|23|Hx; folding walking stick|39|Tw; foot powder|7|Ss~
    """,
    uses="""
    long ridge walks; hut-to-hut weekends; wet moorland miles; Munro bagging; steep switchbacks; the last
    push to the cairn; forest footpaths; dawn starts at the trailhead; a week in the Dolomites; coastal
    rambles; scrambling days; pilgrim routes; boggy fells; thru-hikers
    """,
    praises="""
    carried by volunteer mountain rescuers; chosen by guides who walk for a living; proved on 900 km of the
    Pyrenees; a favourite of weekend ramblers; made by people who would rather be above the treeline; seen at
    every second lunch stop on the coast path; earns its place in a heavy pack; for those who measure a day
    in metres climbed; the wardens of four alpine lodges swear by it; designed after one very damp Scottish
    traverse; at home from valley floor to snow line; good company when the path runs out
    """,
    keywords="""
    trail; summit; backcountry; ramble; alpine; scramble; footpath; trekking; peaks; moorland; wilderness
    walk; backpacker; hill days; long-distance path
    """,
)

CAMP_COOKING = theme(
    "camp cooking",
    needs="compact easyclean weatherproof",
    nouns="""
    folding gas stove|48|Tm!; cast-iron Dutch oven|79|Hm; cooking tripod|54|Tm; enamel mug|12|Hx; spork|8|Tm;
    billy can|26|Tm; cool box|72|Lp; fire steel|15|Tx!; burner windscreen|18|Tm; collapsible washing-up
    bowl|16|Hp; bushcraft knife|68|Tx!; jaffle iron|29|Tm; toasting forks|17|Tm+; charcoal chimney|32|Tm!;
    portable pellet grill|280|Ex!; rechargeable lantern|39|Ev; 12-volt fridge|340|Ev; solar oven|125|Ex;
    travelling spice tin|19|Lm; wicker hamper|64|Lx; cutlery roll|25|Lk; flame-proof gauntlets|34|Cl+;
    smoke-stained chef's apron|28|Cc; one-pot suppers under the stars|18|Bb; forager's pocket guide|13|Bb;
    instant chilli pouch|7|Ff; marshmallows on sticks|6|Ff+; pancake shaker mix|6|Ff~; smoky baked
    beans|4|Ff+; dried wild mushrooms|11|Ff+; s'mores kit|16|Gf; toy campfire|30|Gw; ghost-story
    cards|14|Gx+; citronella balm|9|Ss~; firewood carrier|29|Lk; grill grate|33|Tm; water filter straw|27|Tp;
    whistling trail kettle|36|Hm; roll-up table|69|Tx
    """,
    uses="""
    suppers beside the tent; lakeside breakfasts; embers and good company; scout weekends; caravan kitchens;
    eating under canvas; canoe expeditions; beach cook-outs; van life; woodland feasts; festival fields;
    frying sausages at dusk; stews over an open flame; hungry bivouacs
    """,
    praises="""
    tested on eleven rainy fry-ups; approved by the hungriest troop in the county; lives in the boot from May
    to September; as happy on hot coals as on gravel; the reason our neighbours pitch close; bacon sandwiches
    have never had it so good; goes where there is no kitchen; turns a log pile into a restaurant; packed for
    every paddle down the river; feeds four around a fire pit; a ranger's standard kit; for cooks who like a
    little ash
    """,
    keywords="""
    campfire; outdoor kitchen; tent meals; fire pit; bushcraft; al fresco; flame cooking; campsite; mess kit;
    barbecue; overlanding; rations; hot coals; picnic
    """,
)

GARDENING = theme(
    "gardening",
    needs="weatherproof repairable gentle",
    nouns="""
    secateurs|32|Tm+!; border spade|45|Tx; watering can|34|Hm; raised bed|110|Tw; glazed planter|38|He;
    heirloom tomato seeds|4|Hn+; compost bin|62|Hp; potting bench|130|Hw; grow light|54|Ev; soil moisture
    meter|18|Ev; robotic mower|690|Ev!; hedge trimmer|125|Ev!; kneeling pad|16|Hx; thorn-proof gloves|19|Cl+;
    wellington boots|49|Cp+; wide-brimmed straw hat|28|Cx; harvest trug|33|Lw; allotment holdall|37|Lk; seed
    tin|17|Lm; bulb dibber|15|Tw; jute twine|7|Tn~; hose reel|58|Tp; cold frame|96|Tg; bird feeder|24|Hw;
    beeswax hand balm|12|Ss~; nettle feed|11|Tn~; climbing rose|21|Hn; lavender plugs|13|Hn+; ladybird
    house|19|Gw; grow-your-own sunflower kit|12|Gn; almanac of sowing dates|14|Bb; pruning handbook|20|Bb;
    orchard journal|18|Bb; elderflower cordial|8|Ff~; rhubarb chutney|6|Ff~; slug collars|14|Tm+; sweet pea
    trellis|31|Tw; wormery|78|Hp
    """,
    uses="""
    cottage borders; patient growers; balcony tomatoes; the vegetable patch; heavy clay; spring sowing; shady
    corners; greenhouse afternoons; wildflower meadows; rose lovers; prize marrows; weeding on Sundays; small
    courtyards; the potting shed
    """,
    praises="""
    trusted by head growers at two walled estates; smells faintly of tomato leaves; loved on allotments up
    and down the land; bees were consulted; for anyone with soil under their nails; brings on the first green
    shoots; winner of the village show; worth waiting all winter for; grows on you; a friend to earthworms;
    made for mud and mulch and early mornings; lasts from snowdrops to pumpkins
    """,
    keywords="""
    horticulture; flower bed; allotment; seedlings; potting; blossom; green fingers; vegetable plot; pruning;
    perennials; lawn; mulch; greenhouse; cottage plants
    """,
)

CYCLING = theme(
    "cycling",
    needs="weatherproof repairable compact",
    nouns="""
    road helmet|88|Cx; bib shorts|95|Cc+; clipless pedals|79|Tm+!; chain lube|11|Tx~; floor pump|46|Tm;
    multi-tool with chain breaker|28|Tm; inner tubes|14|Tp+; puncture patches|5|Tp+; gravel tyres|84|Tp+;
    pannier|68|Lk; handlebar bag|44|Lk; sprung saddle|75|Tl; bar tape|19|Tx~; flashing rear light|32|Ev; bike
    computer|190|Ev; smart turbo trainer|480|Ev; crank power meter|350|Ev!; e-bike battery|420|Ev!; windproof
    gilet|69|Cc; aero jersey|78|Cc; padded mitts|27|Cl+; neoprene overshoes|36|Cx+; cap with a short
    peak|18|Cc; chamois cream|14|Ss~; warming embrocation|17|Ss~; citrus racing gels|22|Ff+; malt recovery
    shake|31|Ff~; jersey-pocket stroopwafels|9|Ff+; frame wall mount|38|Hw; repair stand|110|Tm;
    D-lock|54|Tm; brass bell|13|Tm; child trailer|260|Gx; balance bike|85|Gw; velodrome board game|34|Gx;
    wheel-building manual|25|Bb; history of the grand tours|28|Bb; route journal|13|Bb; peloton print|21|Hx
    """,
    uses="""
    club runs; the daily commute by saddle; gravel centuries; hairpin descents; cobbled classics; winter
    miles; criterium racers; two-wheeled tourers; Sunday spins; time triallists; audax nights; towpath
    pootling; the school run by tandem; hill repeats
    """,
    praises="""
    ridden from Land's End to John o' Groats; quick from the lights; the domestique of our range; wins the
    sprint for the town sign; keeps rolling when the road turns to cobbles; put together by ex-couriers;
    saves a watt here and there; café-stop approved; at its best with a tailwind; our mechanics use it on
    their own frames; pedalled by three generations; a friend on every long climb
    """,
    keywords="""
    bicycle; pedalling; peloton; velo; two wheels; road bike; drivetrain; commuter rider; gravel bike; saddle
    time; sportive; spokes; bikepacking; sprint
    """,
)

PHOTOGRAPHY = theme(
    "photography",
    needs="weatherproof compact quiet",
    nouns="""
    mirrorless camera|890|Ev; 50 mm prime lens|420|Ex; travel tripod|160|Tx; camera neck strap|38|Cl; neutral
    density filter|54|Ex; speedlight|180|Ev; light meter|140|Ev; 128 GB memory card|32|Ex; black-and-white
    film rolls|14|Ex+; developing tank|39|Tp; darkroom trays|24|Tp+; enlarger|310|Ev!; softbox|85|Tx;
    five-way reflector|28|Tx; backdrop stand|72|Tm; intervalometer|45|Ev; sensor swabs|15|Tx+; rocket
    blower|11|Tp; sling for bodies and zooms|78|Lk; padded lens pouch|24|Lk; hard case with cut-out
    foam|130|Lp; reporter's vest|64|Cc; flip-top mittens for cold fingers|29|Cc+; instant-print
    snapper|95|Gv; pinhole kit|34|Gx; viewfinder toy|16|Gw; portfolio album|42|Bb; anthology of street
    portraits|38|Bb; manual of exposure|24|Bb; contact sheet binder|19|Bb; pigment photo printer|240|Ev;
    gallery frame|26|Hw; drone with gimbal|620|Ev!; remote shutter release|21|Ev; f-stop mug|17|He; zine of
    night skylines|12|Bb; telephoto rain sleeve|23|Lp; anti-glare eye drops|9|Ss+; darkroom humbugs|5|Ff+
    """,
    uses="""
    golden hour; wedding shooters; wildlife hides; street portraits; long exposures; the analogue darkroom;
    studio still life; newsroom deadlines; birders with big lenses; the blue hour; macro afternoons; star
    trails; family albums; documentary work
    """,
    praises="""
    makes the most of fading light; on the kit list of two press agencies; sharp from corner to corner; no
    bokeh was harmed; the picture editor's discreet choice; for people who see in frames; the shot you nearly
    missed; trusted on three thousand weddings; found in every good darkroom; worth the weight on assignment;
    helps the decisive moment along; for eyes that follow shadows
    """,
    keywords="""
    camera; lens; exposure; portrait; darkroom; analogue film; snapshot; aperture; studio lighting; shutter;
    photojournalism; composition; depth of field; negatives
    """,
)

WOODWORKING = theme(
    "woodworking",
    needs="repairable handmade compact",
    nouns="""
    block plane|95|Tm!; bevel-edge chisels|70|Tm+!; dovetail saw|58|Tx!; marking gauge|32|Tw; joiner's
    mallet|27|Tw; bar clamps|44|Tm+; random orbit sander|89|Ev!; cordless drill|125|Ev!; router
    table|230|Tx!; bandsaw blade|19|Tx!; bench vice|110|Tm; sharpening stone|42|Tx!; spokeshave|48|Tm!; lathe
    gouge|55|Tx!; dowelling jig|36|Tm; oak offcuts|25|Hx+; walnut veneer sheets|31|Hx+; tung oil|18|Hx~;
    furniture wax|15|Hx~; hide glue|13|Hx~; leather shop apron|45|Cl; ear defenders|29|Sx+; safety
    spectacles|14|Sx+; dust mask|12|Sc; carpenter's trousers|65|Cc+; open tool tote|49|Lk; chisel
    roll|37|Ll!; folding workbench|120|Tw; laser level|75|Ev; timber moisture meter|34|Ev!; dust
    extractor|190|Ev!; treatise on hand-cut joints|32|Bb; plans for a Shaker cabinet|16|Bb+; flat
    pencils|5|Bw+; whittling kit|26|Gx; birdhouse kit|22|Gw; spoon-carving blank|11|Gx; marquetry
    puzzle|29|Gw; sawdust-proof hand cream|9|Ss~; workbench flapjacks|8|Ff+
    """,
    uses="""
    cabinetmakers; fine joinery; green carving; garage workshops; the patient turner; hand-cut dovetails;
    planing end grain; restoring chairs; box makers; boatbuilders; first mortises; building shelves that stay
    up; apprentices at the bench; curly shavings
    """,
    praises="""
    keeps its edge through seasoned ash; measure twice and buy once; passed down by a retired cooper; square
    to a tenth of a millimetre; leaves shavings you can read through; the joiner next door has two; knots do
    not frighten it; made for sawdust and radio afternoons; what the furniture college issues in week one;
    settles arguments about what is level; respects the grain; earns a peg on the pegboard
    """,
    keywords="""
    carpentry; joinery; timber; workshop; hand tools; cabinetry; lathe; carving; hardwood; mortise; furniture
    making; shavings; turner; planks
    """,
)

THEMES_OUTSIDE = (HIKING, CAMP_COOKING, GARDENING, CYCLING, PHOTOGRAPHY, WOODWORKING)
