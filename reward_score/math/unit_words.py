"""The words that may stand behind a number: units, things that are counted, and what is said of them.

A word that is on no list here counts only where the ground truth or the prompt has it, and one of NEVER_UNITS nowhere:
it changes the value, joins another answer, or takes the answer back.
"""

from reward_score.math.spelling import first_words, word_set

LENGTHS = first_words(
    """
    mm millimeter millimeters millimetre millimetres
    cm centimeter centimeters centimetre centimetres cms
    dm decimeter decimeters decimetre decimetres
    m meter meters metre metres
    km kilometer kilometers kilometre kilometres kms
    nm nanometer nanometers nanometre nanometres
    inch inches in ins
    foot feet ft
    yard yards yd yds
    mile miles mi
    unit units
    """
)
"""Units that may be squared and cubed in words."""

UNITS = (
    LENGTHS
    | first_words(
        """
    mg milligram milligrams
    g gram grams gm gms
    kg kilogram kilograms kilo kilos kgs
    lb pound pounds lbs
    oz ounce ounces
    ton tons
    tonne tonnes
    ml milliliter milliliters millilitre millilitres mL mls cc
    L liter liters litre litres l
    gallon gallons gal
    quart quarts qt qts
    pint pints pt pts
    cup cups
    tablespoon tablespoons tbsp tbs
    teaspoon teaspoons tsp
    bushel bushels
    acre acres
    hectare hectares ha
    ms millisecond milliseconds
    s second seconds sec secs
    min minute minutes mins
    h hour hours hr hrs
    day days
    week weeks wk wks
    month months
    year years yr yrs
    decade decades
    night nights
    weekday weekdays
    weekend weekends
    dollar dollars USD usd bucks buck
    cent cents
    euro euros EUR
    yen JPY
    rupee rupees INR Rs
    peso pesos
    degree degrees deg
    radian radians rad rads
    N newton newtons
    J joule joules
    kJ kilojoule kilojoules
    W watt watts
    kW kilowatt kilowatts
    kWh
    V volt volts
    A ampere amperes amp amps
    ohm ohms
    Hz hertz
    kHz
    MHz
    Pa pascal pascals
    kPa
    K kelvin kelvins
    mol mole moles
    bit bits
    byte bytes
    KB kb kilobyte kilobytes
    MB mb megabyte megabytes
    GB gb gigabyte gigabytes
    calorie calories cal
    kcal
    percent pct
    am a.m.
    pm p.m. noon
    """
    )
    | {"midnight": "am"}
)
LETTERS = word_set("g L l h s N J W V K C F")
"""Units of one letter that may stand behind a number as they are, where the ground truth is a number: `m` is a variable
more often."""

QUOTIENTS = {"mph": ("mile", "h"), "kph": ("km", "h"), "kmph": ("km", "h"), "mpg": ("mile", "gallon")}

SCALES = {"c": "celsius", "f": "fahrenheit", "celsius": "celsius", "centigrade": "celsius", "fahrenheit": "fahrenheit"}

IRREGULAR = first_words(
    """
    person people persons
    child children
    grandchild grandchildren
    man men
    woman women
    tooth teeth
    mouse mice
    goose geese
    leaf leaves
    loaf loaves
    knife knives
    shelf shelves
    calf calves
    wolf wolves
    elf elves
    scarf scarves
    wife wives
    life lives
    vertex vertices
    matrix matrices
    index indices
    axis axes
    die dice
    bus buses
    movie movies
    cookie cookies
    brownie brownies
    pie pies
    tie ties
    zombie zombies
    hoodie hoodies
    tomato tomatoes
    potato potatoes
    mango mangoes
    domino dominoes
    zero zeroes
    shoe shoes
    quiz quizzes
    """
)

THINGS = word_set(
    """acorn actor ads adult airplane album alligator amoeba angle animal answer ant antacid apartment ape app
    appetizer apple apron aquarium area arm arrangement article artifact artwork athlete attempt attendee avocado
    award baby badge bag bagel baguette baker bale ball balloon banana band bandage bar barrel basket basketball bat
    batch bath bathroom battery bead beaker bean bear beat bed bedbug bedroom bee beetle beignet belt bench berry
    bicycle bike bill billboard bird biscuit bite blackbird blanket blister block blouse blueberry board boat
    bollard bolt bone bonnet book boot bottle bounce bouquet bowl box boy bracelet branch brick brochure brother
    brownie bubble bucket bug builder building bulb bull bun bunch bundle bunny burger burrito bus bush bushel
    business butterfly button buyer cab cabinet cage cake calf call calorie camper can candidate candle candy cane
    cantaloupe cap capsule car caramel card cardinal carnation carpenter carpet carriage carrot carton case cat
    caterpillar cd ceiling cell chain chair channel chapter character charge check checker cheerleader cheesecake
    chef cherry chick chicken chihuahua child chimichanga chip chocolate choice chore circle citizen city clarinet
    class classmate classroom claw clerk client clip clothesline cloud clove clover clown cluster coach coat coconut
    coefficient coffee coin collector color coloring column combination comic comment complaint computer cone
    configuration consonant contact container contestant cook cookie copy corn counter country coupon course cousin
    cow crab cracker cranberry crate crater crayon credit cricket croissant crop crosswalk crow cube cucumber cup
    cupcake customer cuttlebone cycle cyclist daisy dancer dandelion date daughter deck decoration deer demerit desk
    dessert device diagonal diamond diaper diary die digit dime dinner dish division divisor doctor dog doll dolphin
    domino donation donkey donor donut door dot doughnut download dragon draw drawer drawing dream dress drink
    driver driveway drop drum duck duckling dumpling dvd eagle ear earring edge egg eggplant element elephant elf
    email employee enemy engine entry envelope episode eraser error event exam experiment eye face factor fairy
    family farmer farthing fault feather female fence field figurine file filet finalist finger fire firecracker
    firefly firework fish flag flashlight flavor flea flight flip floor flower flute fly flyer folder follower
    football footprint fork form fox fraction friend frog frond fruit fry function game gecko gem gemstone gift
    gingerbread giraffe girl glass glove gnome goal goat goose grade grain grandchild grape graph grasshopper grid
    group guest guitar gumball guppy hair haircut hall hamburger hammer hamster hand handshake hare hat head heap
    helmet hen hexagon highlighter hike hit hive hole home honeydew hoodie hoot hop horse horseshoe hotdog house
    household hushpuppy individual inhabitant inning insect instance instruction integer intersection interval
    iphone ipod island issue item jacket jar jean jellybean jersey jester jewel job joke judge jug juice jump
    junebug kangaroo kernel key kid kind kindergartner kitchen kite kitten kiwi knife koala ladder lady lamb lamp
    lap laptop latte lawn layer leader leaf lecture leg lego lemon length leopard lesson letter level life light
    lightbulb lighter like lily lime line link lion listen litre lizard llama load loaf lock log lollipop loser loss
    lunch macaron macaroon machine magazine maggot magnet male man mango marble marigold mark marker marshmallow
    mask match matchstick meal meatball medal melon member message milkshake milligram millipede mink minnow mistake
    model monkey monster motorcycle mountain mouse move movie muffin mug multiple mushroom nail napkin necklace
    neighbor nephew newspaper nickel night node note notebook novel nugget nurse nut object occurrence octagon
    office omelet onion operation option orange orc orchid order oreo other outcome outfit owl oyster pack package
    packet pad page pail painter painting pallet pamphlet pan pancake panda panel pant papaya paper paperclip
    paragraph parent parrot parsnip part participant partition passenger pastry patch path patient patron paw peach
    peanut pear pearl pebble pelican pen pencil penguin penny pentagon pepper period permit permutation person
    peseta pet petal petunia pfennig phase phone photo photograph pianist pickle picture pie piece pig pigeon piglet
    pile pill pillow pilot pin pine pineapple pinecone pitch pizza place plane plank plant plate play player plum
    pocket pod poem point pointer pole pollywog polygon polynomial pomegranate pomelo pony poodle pool popsicle
    portion portrait position possibility post postcard poster pot potato present pretzel prime printer problem
    product project puff pump pumpkin punch pup pupil puppy pushup puzzle quadruple question quilt quiz rabbit race
    racer racquet radish raisin raspberry rat ray reader ream rearrangement record rectangle reflection region rep
    report representation representative resident restaurant result revolution rhinestone ribbon riddle ride rider
    ridge ring road robot rock rod roll room roommate rooster root rope rose rotation round row ruler run rung
    runner sack sailor sale sample sandcastle sandwich sapling sapphire sausage saw scallop scarf scene school scoop
    scooter score scout screen screw seagull seashell season seat section seed seedling segment seller senior
    sentence sequence sequin serving session set setting share shark sheet shelf shell shift shingle ship shirt shoe
    shopper short shot show shower shrub sibling side signature singer sister situp skein skip skirt sleeve slice
    smore snack snail snake snowball snowflake soap sock soda sofa soldier solution son song sonnet sour space
    sparkler spear sphere spider spin spoke spool spoon sport spot square squat squirrel stack stage stair stamp
    stapler star starburst state station statue steak stem step stick sticker stitch stone stop store story strand
    stranger straw strawberry street streetlight string stripe stroke student stuffy subject subset substitution
    sucker suit suitcase sunflower superset surfer swallow swan sweater sweet swing switch system tab table tablet
    taco tadpole tail tank tarantula tart task tattoo taxi tbs teacher teacup team tear teddy teen teenager
    television tennis tent term test text textbook thing thorn throw ticket tiger tile tin tire tissue toad toddler
    toe toenail token tomato tool tooth toothbrush toothpick topping toss touchdown tour tourist towel tower toy
    track tractor trailer train trapezoid tray treat tree trial triangle trip triple troll truck truckload trumpet
    tub tube tulip tuple turkey turn turtle tv twig type typo unicorn vacation value vampire van vegetable vehicle
    verse vertex vibration video view villager vine visit visitor vlog vote voter wagon waiter wall walnut wand wash
    washer watch watermelon way weasel website weed weekday whale wheel whisker whistler widget wight win window
    wing winner wire wolf woman word work worker worm writer yds yogurt yolk zebra zero zombie"""
)
"""What is counted, in the singular: from what follows numbers in GSM8K, MATH and DAPO's problems."""

ONLY_SEVERAL = word_set("root cube square zero factor multiple point prime power term digit set half")
"""Things whose singular behind a number could be taken for a computation: 5 cube."""

STUFF = word_set(
    """air beef beer blood bread butter candy cement cheese chicken chocolate clay clothing cloth coal coffee copper
    cotton cream dirt dough fabric feed flour food fruit fuel furniture garbage gas gasoline gold grain grass gravel
    hay homework honey ice iron jewelry juice land laundry lemonade lumber luggage mail material meat medicine metal
    milk money music oil paint paper pasta pay plastic pork profit produce rain rice rope salary salt sand silver
    sleep snow soap soda soil soup steel sugar syrup tax tea traffic training trash travel tuition water wheat wine
    wire wood wool work yarn interest savings change earnings income revenue cash fish sheep deer cattle shrimp
    salmon livestock popcorn corn pizza cake"""
)

QUALITIES = word_set(
    """red blue green yellow orange purple black white pink brown gray grey gold golden silver male female boy girl
    adult big small large little medium tall short long young old new used wooden plastic cubic square real whole
    even odd prime positive natural integer integral rational ordered unordered nonempty empty full identical"""
)
"""What may be said of things, and tells some from others: a red marble is no blue one."""

FILLERS = word_set(
    """of the a an in all total altogether together left remaining additional extra different distinct possible unique
    such each away apart old long wide high tall deep thick heavy now today worth overall valid more needed required
    sold made used earned spent saved distinguishable"""
)
"""What tells nothing from another; "more" is one before a thing only."""

RESERVED = word_set(
    """pair pairs dozen dozens couple couples score scores gross time times quarter quarters fewer less"""
)
"""Words that are arithmetic as often as things: units only where the ground truth has them, or where the prompt asks
how many of them there are."""

TAKEN_BACK = word_set(
    """or nor not no never none neither either wrong incorrect false untrue invalid undefined except unless without if
    maybe perhaps possibly probably likely unsure guess half halves twice thrice double triple"""
)
"""Words that join another answer, doubt this one or take it back, wherever they stand."""

NEVER_UNITS = TAKEN_BACK | word_set(
    """and but then because since as so than plus minus over under by point divided multiplied squared cubed root
    factorial power powers exponent log sin cos tan mod modulo base binary octal decimal hexadecimal quadruple fold
    halved third thirds tenth tenths hundredth hundredths thousandth thousandths ten tens hundred hundreds thousand
    thousands million millions doubled tripled negative opposite reciprocal inverse reversed approximately approx
    about around roughly nearly almost circa near estimate estimated ish above below greater smaller bigger at least
    most up upto between until through from to exceeding beyond is are was be equals equal billion billions bn mn
    trillion trillions lakh crore k zero one two three four five six seven eight nine eleven twelve thirteen
    fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety first
    fourth fifth sixth seventh eighth ninth x y n difference product quotient sum remainder ratio correct right
    answer answers"""
)
