"""Writers of the figures in which a speaker turns to somebody, cries out, doubts or corrects himself."""

from skillmix_lightning.catalogue import lexicon
from skillmix_lightning.students.template.patterns import fill
from skillmix_lightning.students.template.registry import writes
from skillmix_lightning.students.template.words import Words

ASKED = (
    "who would not {love} the {thing} of the {person}?",
    "who does not {love} {a_thing} from the {place}?",
    "who could ever forget the {person} and the {thing}?",
    "who has never {dreamed} of {stuff} near the {place}?",
    "what good is {a_person} without {a_thing}?",
    "what use is {stuff} without {a_thing}?",
    "how could anyone {love} the {person} without the {thing}?",
    "why would anyone leave the {place} without {stuff}?",
    "what would become of the {person} without {stuff}?",
)
CRIED = (
    "{alas}, the {person} has {lost} the {thing}!",
    "{hurrah}, the {person} has {found} the {thing}!",
    "{ah}, how the {person} {loves} the {thing}!",
    "{alas}, there is no {stuff} near the {place}!",
    "{hurrah}, there is {stuff} near the {place}!",
    "{ah}, what {a_thing} the {person} {found}!",
)
WISHED = (
    "if only the {person} {had} {a_thing}!",
    "if only the {thing} were {state} near the {place}!",
    "would that every {person} {had} {stuff}!",
    "how I wish the {person} {had} the {thing}!",
    "would that the {thing} of the {person} were {state}!",
    "how I wish there were {stuff} near the {place}!",
)
ADDRESSED = (
    "O {faithful} {thing}, you {serve} the {person}",
    "O {faithful} {thing}, your {beauty} {moves} the {person}",
    "O {faithful} {place}, you {keep} the {thing} of the {person}",
    "O {faithful} {stuff}, the {person} {waits} for you near the {place}",
    "O {faithful} {person}, you {keep} the {thing}",
)
DOUBTED = (
    "{i_doubt} whether the {person} {loves} the {thing}",
    "{i_doubt} which {thing} the {person} {loves}",
    "{i_doubt} how the {stuff} came to the {place}",
    "{i_doubt} where the {person} found the {thing}",
    "{i_doubt} why the {person} {loves} {stuff}",
)
PASSED_OVER = (
    "{silence} the {thing} that the {person} {lost}",
    "{silence} the {person} who {lost} the {thing}",
    "the {person} {loves} {stuff}, {besides} the {thing}",
    "there are {people} near the {place}, {besides} the {things}",
)
CORRECTED = (
    "this {thing} is {weak_or_strong}, says the {person}",
    "the {person} {loves} the {thing}, {or_rather} every {thing} in the world",
    "the {person} near the {place} needs {stuff}, {or_rather} cannot live without it",
    "the {person} has one {thing1}, {or_rather} {ten} {things1}, near the {place}",
    "the {thing} belongs to the {person}, {or_rather} to the whole {place}",
)
DENIED = (
    "the {thing} of the {person} is not {bad_thing}",
    "the {person} with the {thing} is not {bad_person}",
    "it is not {bad_deed} to bring {stuff} to the {person}",
    "near the {place} {a_thing} is not {bad_thing}",
    "the {person} is not {bad_person} near the {place}",
)

LOVES = ("loves", "praises", "needs", "wants", "admires", "remembers", "knows", "fears", "trusts", "hates")
LOST = ("lost", "broke", "sold", "forgot", "hid", "dropped", "stole", "burned")
STRONGER = (
    "good, {or_rather} wonderful",
    "old, {or_rather} ancient",
    "small, {or_rather} tiny",
    "big, {or_rather} enormous",
    "cold, {or_rather} freezing",
    "nice, {or_rather} splendid",
    "strange, {or_rather} unbelievable",
    "useful, {or_rather} priceless",
)


@writes("rhetorical question")
def write_rhetorical_question(w: Words) -> str:
    """A question that expects no answer."""
    love = ("love", "admire", "trust", "want", "praise", "remember", "respect")
    return fill(w, ASKED, love=love, dreamed=("dreamed", "heard", "thought", "spoken", "sung"))


@writes("ecphonesis")
def write_ecphonesis(w: Words) -> str:
    """A cry that opens with an interjection."""
    return fill(
        w,
        CRIED,
        alas=("alas", "ah", "oh", "heavens"),
        hurrah=("hurrah", "hooray", "oh", "behold", "wow", "bravo"),
        ah=("ah", "oh", "wow", "heavens"),
        lost=("lost", "broken", "sold", "forgotten", "dropped"),
        found=("found", "saved", "bought", "kept"),
        loves=("loves", "needs", "wants", "admires", "praises"),
    )


@writes("optatio")
def write_optatio(w: Words) -> str:
    """A cried wish."""
    return fill(w, WISHED, had=("had", "loved", "found", "knew", "saw", "kept", "trusted"))


@writes("apostrophe")
def write_apostrophe(w: Words) -> str:
    """Speaks to a thing or somebody absent."""
    faithful = ("faithful", "patient", "humble", "noble", "gentle", "silent", "stubborn", "beloved", "weary", "dear")
    return fill(
        w,
        ADDRESSED,
        faithful=faithful,
        serve=("serve", "comfort", "outlive", "honor", "forgive", "delight"),
        beauty=("beauty", "silence", "strength", "patience", "weight"),
        moves=("moves", "comforts", "teaches", "surprises"),
        keep=("keep", "guard", "remember", "hide", "love"),
        waits=("waits", "longs", "sings", "works", "prays"),
    )


@writes("aporia")
def write_aporia(w: Words) -> str:
    """Professes not to know."""
    professions = [words.replace("i ", "I ", 1) for words in lexicon("doubts")["professions"] if "'" not in words]
    return fill(w, DOUBTED, i_doubt=professions, loves=LOVES)


@writes("apophasis")
def write_apophasis(w: Words) -> str:
    """Names what it promises to leave out."""
    silences = ("I will not mention", "I need not mention", "I will say nothing of", "let us not speak of")
    besides = ("not to mention", "to say nothing of")
    return fill(w, PASSED_OVER, silence=silences, besides=besides, lost=LOST, loves=LOVES)


@writes("epanorthosis")
def write_epanorthosis(w: Words) -> str:
    """Corrects itself at once."""
    ten = ("two", "three", "five", "ten", "twenty")
    return fill(
        w,
        CORRECTED,
        weak_or_strong=STRONGER,
        or_rather=("or rather", "or better", "or more truly"),
        loves=LOVES,
        ten=ten,
    )


@writes("litotes")
def write_litotes(w: Words) -> str:
    """Praises by denying the opposite."""
    return fill(
        w,
        DENIED,
        bad_thing=("bad", "useless", "unusual", "uncommon", "unpleasant", "unimportant", "unfamiliar", "worthless"),
        bad_person=("foolish", "unkind", "unwise", "unhappy", "ungrateful", "unskilled", "careless", "hopeless"),
        bad_deed=("bad", "foolish", "unwise", "unusual", "unkind", "unreasonable", "impossible", "useless"),
    )
