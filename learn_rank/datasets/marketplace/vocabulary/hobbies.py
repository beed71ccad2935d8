"""Vocabulary of the generated marketplace: play, movement and making."""

from __future__ import annotations

from learn_rank.datasets.marketplace.vocabulary.notation import theme

GAMING = theme(
    "gaming",
    needs="quiet effortless compact",
    nouns="""
    mechanical keyboard|115|Ev; esports mouse|68|Ev; 240-hertz monitor|330|Ev; wireless gamepad|59|Ev;
    surround headset|99|Ev; capture card|140|Ev; handheld console|310|Ev; racing wheel|250|Ev; arcade fight
    stick|160|Ev; oversized mouse mat|24|Hc; bucket-seat recliner|260|Hx; LED bias strip|27|Ev; twin charging
    dock|32|Ev; thumbstick grips|9|Tp+; keycap puller|7|Tm; cartridge case|19|Lp; console travel pouch|28|Lk;
    pixel-art hoodie|45|Cc; dragon-slayer T-shirt|22|Cc; boss-level socks|11|Cc+; speedrunner's wrist
    rest|20|Hx; blue-light spectacles|29|Sx+; caffeinated focus gum|6|Ff~!; electric-blue energy
    drink|14|Ff~!; raid-night ramen crate|21|Ff; walkthrough of the lost dungeon|25|Bb; concept-art
    hardback|44|Bb; quest log|13|Bb; plush slime monster|19|Gc; painted orc figurine|48|Gp; polyhedral
    dice|16|Gp+; retro emulator|75|Gv; virtual reality visor|360|Ev; stream microphone|88|Ev; respawn
    mug|14|He; trading card binder|23|Bx; controller cleaning kit|12|Tx; hand-warmers for long sieges|15|Sx+;
    loot chest side table|85|Hw
    """,
    uses="""
    ranked matches; couch co-op; boss fights; speedruns; late-night raids; esports hopefuls; retro
    platformers; LAN parties; open-world explorers; streamers; loot goblins; first-person shooters; battle
    royale; cosy farm sims
    """,
    praises="""
    adds ten to charisma; used on stage at a regional final; respawns every morning; saves before the final
    level; lag is somebody else's problem; for those who read every item description; unlocks no achievements
    but feels like it; buffed in the latest patch; approved by our guild master; low latency and high
    spirits; good enough for the leaderboard; the healer gets one too
    """,
    keywords="""
    gamer; console; esports; multiplayer; RPG; joystick; streaming; high score; PC rig; arcade; frame rate;
    co-op; dungeon; level up
    """,
)

FITNESS = theme(
    "yoga and fitness",
    needs="compact easyclean effortless",
    nouns="""
    non-slip yoga mat|42|Tp; kettlebell|39|Tm; resistance bands|17|Tp+; foam roller|22|Sx; meditation
    cushion|38|Hc; high-waisted leggings|54|Cc+; racerback crop top|34|Cc; grip socks|12|Cc+; balance
    board|58|Tw; skipping rope|14|Tx; adjustable dumbbells|180|Tm+; doorway pull-up bar|36|Tm; pilates
    ring|24|Tp; stretching strap|11|Tk; heart-rate chest band|65|Ev; body composition scale|42|Ev; percussion
    massager|110|Ev; step counter|30|Ev; whey protein powder|29|Ff~; electrolyte sachets|16|Ff+; matcha
    collagen bites|13|Ff+; magnesium muscle rub|14|Ss~; cooling joint gel|10|Ss~; acupressure pad|35|Sx;
    studio duffel|48|Lk; shoulder sling for mats|18|Lk; shaker bottle|13|Hp; sweat towel|15|Hc; singing
    bowl|46|Hm; sun salutation print|17|Hx; anatomy of stretching|22|Bb; training log|14|Bb; bodyweight
    challenge cards|16|Gx+; breathwork for beginners|15|Bb; ankle weights|24|Tk+; wobble disc|21|Tp;
    squat-proof shorts|32|Cc+; push-up handles|19|Tm+; toddler tumbling mat|40|Gc; exercise bike|350|Ev
    """,
    uses="""
    vinyasa flows; deadlift days; stiff hamstrings; early planks; core strength; living-room circuits;
    reformer classes; marathon recovery; downward dogs; new-year resolutions; deep squats; flexible mornings;
    physiotherapy at home; leg day
    """,
    praises="""
    holds your warrior pose; no mirrors required; used in forty studios; burns more than calories; physios
    hand it to their patients; calm enough for savasana; one more repetition; sweat is only gratitude leaving
    the body; as seen on the instructor with the loud voice; find your balance and keep it; lifts spirits as
    well as iron; the nicest way to ache tomorrow
    """,
    keywords="""
    workout; pilates; stretching; gym; asana; strength training; mindfulness; cardio; muscle recovery; core;
    flexibility; aerobics; weightlifting; breathwork
    """,
)

VINTAGE = theme(
    "vintage fashion",
    needs="handmade giftable repairable",
    nouns="""
    polka-dot tea dress|68|Cc; sailor trousers|62|Cc+; velvet opera gloves|35|Cc+; cat-eye sunglasses|26|Cx+;
    mohair cardigan|58|Cc; pleated swing skirt|49|Cc; penny loafers|84|Cl+; seamed stockings|15|Cx+!; silk
    headscarf|29|Cc; pillbox hat|38|Cc; brass cufflinks|24|Cx+; locket necklace|45|Cm; art deco brooch|31|Cm;
    kiss-lock handbag|72|Ll; striped hatbox|40|Lx; vanity case|66|Ll; wind-up pocket watch|90|Ex; suitcase
    gramophone|120|Ev; valve radio replica|98|Ev; rotary telephone|76|Ev; red lip lacquer|17|Ss!; rosewater
    cold cream|19|Ss~; barbershop pomade|14|Ss~; face powder tin|23|Sm; hair-setting rollers|16|Sx+; shaving
    brush|34|Sw!; pin-up calendar|15|Bb!; handbook of wartime tailoring|27|Bb; history of couture|45|Bb; coat
    rack with curled hooks|59|Hw; dressing-table mirror|82|Hx; cedar wardrobe balls|11|Hx+; paper doll
    set|13|Gx; clockwork carousel|36|Gm; clothes steamer|48|Ev; button-on braces|25|Cx+; tweed
    waistcoat|75|Cc; saddle shoes|79|Cl+; parma violet pastilles|5|Ff+; rhubarb-and-custard boiled
    sweets|6|Ff+; shoe trees|28|Tw+; darning mushroom|12|Tw
    """,
    uses="""
    swing dances; garden parties; flapper evenings; rockabilly nights; afternoon tea at the Ritz; a Hitchcock
    heroine; dapper gentlemen; flea-market finds; Goodwood weekends; old Hollywood waves; silver-screen
    entrances; jitterbugging; mid-century wardrobes; brides with nostalgia
    """,
    praises="""
    straight out of a 1950s wardrobe; redrawn from a pattern found in an attic; your grandmother will want it
    back; goes with victory rolls; has danced to Glenn Miller; period correct down to the hem; as worn by
    film stars in black and white; turns heads on the promenade; elegance from the jazz age; the seventies
    called and were jealous; charm that never went out; a costume drama borrowed two
    """,
    keywords="""
    retro; antique look; 1950s; pin-up; dapper; art deco; old-fashioned glamour; rockabilly; mid-century;
    nostalgia; second-hand chic; bygone era; heritage style; twenties
    """,
)

MUSIC = theme(
    "music making",
    needs="repairable quiet handmade",
    nouns="""
    dreadnought guitar|280|Tw; soprano ukulele|65|Gw; nickel-wound strings|9|Tx+; capo|16|Tm;
    plectrums|7|Tp+; clip-on tuner|17|Ev; metronome|34|Ex; audio interface|140|Ev; condenser
    microphone|120|Ev; studio speakers|230|Ev+; 88-key MIDI controller|210|Ev; drum machine|190|Ev; loop
    pedal|135|Ev; valve amplifier|420|Ev; reverb unit|99|Ev; gig bag|48|Lk; cymbal case|52|Lk; patch
    cables|21|Ex+; score stand|36|Hm; piano bench|85|Hw; vocal booth foam|45|Hx~; violin wall hanger|22|Hw;
    cello rosin|8|Tx~; trumpet valve oil|7|Tx~; hickory drumsticks|12|Tx+; flamenco cajón|105|Tx; blues
    harmonica|38|Gm; toddler's xylophone|34|Gw; kalimba|32|Gw; manuscript paper|8|Bb~; songbook of folk
    ballads|18|Bb; harmony textbook|35|Bb; chord chart|14|Hx; lyricist's jotter|13|Bb; rehearsal
    earplugs|19|Sp+; fingertip balm for string players|10|Ss; roadie T-shirt|24|Cc; organist's fingerless
    gloves|21|Cc+; singer's throat lozenges|6|Ff+; honey-lemon vocal tea|9|Ff~; treble clef tie|18|Cc;
    clarinet reeds|24|Tx+
    """,
    uses="""
    bedroom producers; open-mic nights; twelve-bar blues; string quartets; garage bands; buskers; jazz
    improvisers; scales before breakfast; choir rehearsals; fingerpicking; laying down demos; the orchestra
    pit; songwriters; sight-reading
    """,
    praises="""
    stays in tune through the encore; warm in the mids; tours with a brass quintet; loved by neighbours with
    taste; played on two records you may know; a little rock and plenty of roll; for people who count in
    four; the luthier's first recommendation; never misses a beat; sounds better than the singer; goes up to
    eleven; conservatoire students queue for it
    """,
    keywords="""
    musician; melody; recording; instrument; chords; rehearsal; songwriting; acoustic; rhythm; band practice;
    orchestra; mixing; jam session; busking
    """,
)

ART = theme(
    "drawing and painting",
    needs="gentle handmade giftable",
    nouns="""
    watercolour half pans|34|Tx+; gouache tubes|29|Tx+; oil colour starter box|46|Tx; sable brushes|38|Tx+;
    palette knife|12|Tm; folding field easel|98|Tw; stretched canvas|18|Tx; spiral sketchbook|17|Bb; willow
    charcoal|9|Bx~; graphite pencils|15|Bw+; dip pen|22|Bw; calligraphy nibs|11|Bm+; pigment
    fineliners|16|Bx+; soft pastels|24|Bx+; blending stumps|6|Bx+; kneadable eraser|4|Bx; tracing
    lightbox|48|Ev; pen display tablet|240|Ev; stylus with tilt sensing|72|Ev; daylight studio lamp|58|Ev;
    smock|34|Cc; bohemian beret|26|Cc; brush wrap|23|Lk; A2 portfolio|52|Lx; pochade box|86|Lw; jointed
    mannequin|19|Hw; framed linocut|75|Hx; museum print|28|Hx; turpentine substitute|10|Tx~!; gesso
    primer|14|Tx~; dammar varnish|16|Tx~!; relief printing kit|27|Tx; anatomy for illustrators|30|Bb;
    treatise on colour|35|Bb; finger paints|12|Gx+; botanical colouring book|11|Gb; landscape by
    numbers|24|Gx; bristle-cleansing soap|9|Ss~; scrub for inky fingers|10|Ss; edible glitter dust|8|Ff~
    """,
    uses="""
    plein-air sketchers; life classes; comic artists; urban sketching; abstract moods; still lifes with
    pears; loose washes; portrait commissions; ink wanderers; art students; botanical illustration; big messy
    canvases; evening doodles; calligraphers
    """,
    praises="""
    lightfast for a hundred years; Turner would have bought two; sold in the shop of a good museum; welcomes
    happy accidents; flows like a Sunday; the tutor at the atelier insists on it; for fingers that are never
    quite clean; turns blank pages into brave ones; layers without muddying; perspective included; respected
    by muralists; invites another hour at the easel
    """,
    keywords="""
    artist; sketching; pigment; illustration; canvas; watercolour; palette; atelier; drawing; portraiture;
    brushwork; fine art; doodling; gallery
    """,
)

SEWING = theme(
    "knitting and sewing",
    needs="handmade repairable giftable",
    nouns="""
    hand-dyed sock yarn|18|Tx~; circular needles|14|Tm+; crochet hooks|16|Tw+; stitch markers|7|Tm+; row
    counter|8|Ex; sewing machine|290|Ev; overlocker|340|Ev!; dressmaking shears|32|Tm+!; rotary fabric
    cutter|19|Tx!; quilter's ruler|15|Tp; tomato pin cushion|10|Hc; bobbins|6|Tp+; tailor's chalk|5|Tx~; seam
    ripper|6|Tx!; thimble|8|Tm; embroidery hoop|9|Tw; cross-stitch sampler|23|Gx; fat quarter bundle|28|Hc;
    patchwork throw|110|Hc; cotton reel cabinet|68|Hw; adjustable dress form|125|Hx; pressing ham|22|Hc;
    gravity-feed iron|64|Ev; hands-free magnifier|46|Ev; wool bowl|36|He; drawstring project bag|21|Lk;
    needle wallet|18|Lk; haberdashery box|24|Lm; Fair Isle jumper|72|Cx; lace shawl|58|Cc; cable
    mittens|26|Cc+; dictionary of stitches|27|Bb; dress pattern with three hems|14|Bb; needleworker's
    memoir|12|Bb; felted animals kit|25|Gx; crocheted octopus|17|Gx; lanolin wash|11|Ss~; hand cream for
    quilters|9|Ss~; tabletop loom|85|Gw; stitch-and-chat shortbread|8|Ff~; iron-on patches|9|Cc+
    """,
    uses="""
    cosy cables; mending circles; first scarves; hemming curtains; Sashiko repairs; weekend quilters; lace
    charts; wonky cardigans; dressmakers; yarn hoarders; turning heels; fancy buttonholes; needlework by the
    fire; granny squares
    """,
    praises="""
    ends the unravelling; picked by the guild of makers; glides like a well-oiled bobbin; just one more row;
    makes peace with dropped loops; the haberdasher keeps one under the counter; measured in skeins of joy;
    invisible mending for visible people; your stash has room for it; neat on both sides; a thread through
    three generations; blessed by an aunt with strong opinions on wool
    """,
    keywords="""
    yarn; crochet; quilting; dressmaking; needlework; embroidery; fibre craft; haberdashery; tailoring; purl;
    mending; textile craft; seams; spinning
    """,
)

THEMES_HOBBIES = (GAMING, FITNESS, VINTAGE, MUSIC, ART, SEWING)
