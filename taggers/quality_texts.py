"""Texts to train the small quality model on: plain prose that explains and tells, and what fills the web instead.

All of it is our own writing: sentences with gaps, lists of what may fill them, and a generator that draws. It is for
demonstration, and in English alone. What it shares with real pages are the words that hold sentences together, and the
words that sell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice")

GOOD, BAD = "good", "bad"


def texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """So many (label, text), good and bad in turn. The same seed gives the same texts, a higher count more of them."""
    return [_text(number, _Draw(seed << 32 | number)) for number in range(count)]


class _Draw:
    """A sequence of numbers by SplitMix64 (Steele, Lea and Flood 2014), and what is chosen by them."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, limit: int) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) % 2**64
        value = (self._state ^ self._state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
        return (value ^ value >> 31) % limit

    def one_of(self, choices: Sequence[Choice]) -> Choice:
        return choices[self.below(len(choices))]

    def some(self, choices: Sequence[str], least: int, most: int) -> list[str]:
        return [self.one_of(choices) for _ in range(least + self.below(most - least + 1))]

    def filled(self, sentence: str) -> str:
        """The sentence with each {gap} filled from the list of that name, gaps within those too."""
        while "{" in sentence:
            sentence = re.sub(r"\{(\w+)\}", lambda gap: self.one_of(_LISTS[gap[1]]), sentence)
        return sentence[:1].upper() + sentence[1:]


def _text(number: int, draw: _Draw) -> tuple[str, str]:
    if number % 2 == 0:
        return GOOD, draw.one_of((_article, _article, _story, _lesson))(draw)
    return BAD, draw.one_of(
        (_shop, _shop, _offers, _offers, _offers, _page, _links, _gossip, _gossip, _keywords, _salad, _noise)
    )(draw)


def _paragraphs(draw: _Draw, sentences: Sequence[str], paragraphs: int, between: str = "\n\n") -> str:
    return between.join(" ".join(map(draw.filled, draw.some(sentences, 2, 6))) for _ in range(paragraphs))


def _article(draw: _Draw) -> str:
    return _paragraphs(draw, (*_EXPLAINS, *_TELLS_HISTORY), 1 + draw.below(4))


def _story(draw: _Draw) -> str:
    return _paragraphs(draw, _STORY, 1 + draw.below(4))


def _lesson(draw: _Draw) -> str:
    return _paragraphs(draw, (*_LESSON, *_EXPLAINS), 1 + draw.below(4))


def _shop(draw: _Draw) -> str:
    return _paragraphs(draw, _SHOP, 2 + draw.below(6), "\n")


def _offers(draw: _Draw) -> str:
    return _paragraphs(draw, _OFFERS, 1 + draw.below(4), "\n")


def _gossip(draw: _Draw) -> str:
    return _paragraphs(draw, _GOSSIP, 1 + draw.below(4), "\n")


def _page(draw: _Draw) -> str:
    return "\n".join(map(draw.filled, draw.some((*_PAGE, *_LINKS), 8, 30)))


def _links(draw: _Draw) -> str:
    between = draw.one_of((" | ", " » ", "\n", " ", " / ", "\n- "))
    return between.join(map(draw.filled, draw.some(_LINKS, 15, 60)))


def _keywords(draw: _Draw) -> str:
    subject = draw.filled("{adjective_sold} {goods}")
    between = draw.one_of((", ", " ", "\n", ". "))
    return between.join(draw.filled(phrase).replace("SUBJECT", subject) for phrase in draw.some(_KEYWORDS, 15, 60))


def _salad(draw: _Draw) -> str:
    """Words of good sentences in no order: each of them is right, and no two belong together."""
    words = _paragraphs(draw, (*_EXPLAINS, *_STORY, *_LESSON), 2).split()
    return " ".join(draw.one_of(words) for _ in words)


def _noise(draw: _Draw) -> str:
    kind = draw.below(4)
    if kind == 0:  # read in the wrong encoding
        text = _paragraphs(draw, _EXPLAINS, 1)
        return text.replace("e", "Ã©").replace("'", "â€™").replace("a", "Ã¢").replace("o", "ï¿½")
    if kind == 1:
        return " ".join("".join(draw.some("abcdefghijklmnopqrstuvwxyz0123456789", 3, 14)) for _ in range(60))
    if kind == 2:
        row = [draw.filled("{number}") + draw.one_of(("", "%", ".00", "k", " pts", "-1")) for _ in range(80)]
        return draw.one_of((" ", "\n", " | ", "\t")).join(row)
    return "\n".join(draw.filled(draw.one_of(_PAGE)) for _ in range(3)) * (4 + draw.below(8))


_EXPLAINS = (
    "{a_thing} is {a_thing} which, in most cases, is made of {matter} and {matter}.",
    "The {thing} of the {place} is not the same as that of the {place}, because the {matter} there is {quality}.",
    "When {matter} is {changed}, it becomes {quality}, and this is why the {thing} must be {changed} with care.",
    "There are several reasons for this: the {thing} is {quality}, the {matter} is {quality}, and that is all.",
    "It is often said that the {thing} depends on the {thing}, but this has been shown to hold only in {place_plain}.",
    "Unlike the {thing}, which can be seen from the outside, the {thing} is hidden within the {matter}.",
    "The {quality} {thing} was known to the {people} as early as the {century} century.",
    "In other words, the more {matter} there is in the {thing}, the less {quality} it will be.",
    "Although the {people} knew how {matter} could be {changed}, they did not use it for their {thing_plural}.",
    "This process takes place over many years, during which the {matter} is slowly {changed} by the {matter}.",
    "The term is used for any {thing} that has been {changed}, whether or not it is still {quality}.",
    "Each of these {thing_plural} has its own {thing}, and together they form what is known as the {thing}.",
    "For example, the {thing} near the {place} is about {number} metres long and rests on {matter}.",
    "A {quality} {thing} of this kind can be found in the {place} to the {side} of the {place}.",
    "Its {thing_plural} are {quality} and {quality}, with a {thing} at the end which is usually {colour}.",
    "The theory was first proposed by {person}, who argued that {matter} could not be both {quality} and {quality}.",
    "As a result, the {thing} was {changed}, and the {people} were able to {do} without {matter}.",
    "However, the evidence for this view is weak, since few {thing_plural} of that period have survived.",
    "It consists of two parts: a {quality} {thing}, and a {thing} that is {changed} by hand.",
    "The difference between the two lies in the way in which the {matter} is {changed}.",
    "Most of the {thing_plural} that are found today were {changed} between {year} and {year}.",
    "Scientists believe that these {thing_plural} were formed when the {matter} under the {place} was {changed}.",
    "What is called {matter} here is in fact a mixture of {matter} and {matter}, as {person} was the first to show.",
    "The relation between {matter} and {matter} has been studied since the {century} century.",
    "Under these conditions the {thing} cannot {do}, and so it has to be {changed} from time to time.",
    "If the {matter} is {quality} enough, it may even {do}, although this is rarely observed.",
    "Some of these {thing_plural}, such as those of the {place}, are more than {number} years old.",
    "Its name comes from an old word for {matter}, which the {people} brought with them from the {place}.",
)
_TELLS_HISTORY = (
    "In {year}, {person} was asked by the {people} to {do} the {thing} of the {place}.",
    "The {thing} was built in {year} by {person}, and it remained in use until {year}.",
    "After the war, the {place} was {changed}, and many of the {people} left for the {place}.",
    "{person} was born in {year}, the son of a {worker}, and grew up in a small town near the {place}.",
    "He was the author of several works on {matter}, among which his study of the {thing} is the best known.",
    "She studied under {person} and later became the first woman to {do} at the university.",
    "During the {century} century the {people} were ruled by a council of {number} {worker_plural}.",
    "The treaty, which was signed in {year}, gave the {people} the right to {do} in the {place}.",
    "By {year} the population had fallen to {number}, and the {thing} had been all but forgotten.",
    "The work was continued by his daughter, who published an account of it in {year}.",
    "It was not until {year} that the {thing} was discovered, when a {worker} came upon it by chance.",
    "The {people} were at first opposed to the {thing}, which they thought {quality}.",
    "Little is known about the early life of {person}, except that he was a {worker} by trade.",
    "His ideas had a great influence on the {worker_plural} of the time, and in particular on {person}.",
    "The old {thing} was destroyed by fire in {year}; the present one dates from {year}.",
)
_STORY = (
    "The {worker} stood at the {thing} and looked out over the {place}, where the light was already going.",
    "\"I have never seen such a {thing},\" she said, \"and I do not think that I shall see one again.\"",
    "He had walked for {small} days, and in all that time he had spoken to no one but the {worker}.",
    "It was {quality} in the house, and the only sound was that of the {matter} against the {thing}.",
    "She took the {thing} from the table and turned it over in her hands, as though it might {do}.",
    "Nobody in the village knew where the {worker} had come from, nor did anybody ask.",
    "\"You will have to wait until the morning,\" said the {worker}, who had not moved from his chair.",
    "They went down to the {place} together, and neither of them said a word until they had come to the {thing}.",
    "That night he lay awake and thought of the {thing} that his father had {changed} so many years before.",
    "When at last the door was opened, there was nothing behind it but a {quality} {thing} and some {matter}.",
    "The old woman smiled at him, for she had known from the beginning what he would do.",
    "There had been a time when the {place} was full of {worker_plural}, but that was before the {thing} came.",
    "I remember that the {matter} was {colour} that year, and that my mother would not let us go to the {place}.",
    "He could not have said why, but the sight of the {thing} made him afraid.",
    "In the evening the {worker_plural} came back from the {place}, tired and {quality}, with their {thing_plural}.",
    "\"And what became of the {thing}?\" asked the {worker}. \"It was sold,\" he answered, \"and I was glad of it.\"",
    "She had a way of listening that made people tell her more than they had meant to.",
    "The rain had stopped, and a {quality} smell of {matter} rose from the {place}.",
    "So they sat down by the fire, and the {worker} began to tell them of the {place} beyond the {place}.",
    "At first it seemed to him that nothing had changed, but then he saw that the {thing} was gone.",
)
_LESSON = (
    "To understand why this is so, consider a {thing} that is filled with {matter}.",
    "First, the {matter} is {changed} until it is {quality}; then it is left to rest for {small} hours.",
    "Suppose that a {worker} has {number} {thing_plural} and gives {small} of them away. How many are left?",
    "We can see from this that the {thing} is proportional to the {matter} and not to the {thing}.",
    "The reader may ask whether the same is true of {matter}. It is not, and the reason is worth knowing.",
    "Let us look at what happens when the {thing} is {changed} and the {matter} is not.",
    "You should make sure that the {thing} is dry before the {matter} is {changed}, as it will otherwise {do}.",
    "An experiment may help: put some {matter} into a {thing}, and watch how it is {changed}.",
    "The answer is that the {thing} and the {thing} act on each other with forces that are equal.",
    "Once you know how a {thing} works, it is easy to see why the {people} thought it {quality}.",
    "There is no need to {do} all of it at once; a little {matter} is enough to begin with.",
    "A common mistake is to think that the {thing} must be {quality}, when in fact it only has to be {quality}.",
    "Then the {matter} is taken out and {changed}, which may have to be done more than once.",
    "This can be checked by a simple calculation, in which the {thing} is divided by the {thing}.",
)
_SHOP = (
    "{adjective_sold} {goods} with FREE SHIPPING!",
    "Our {goods} are {adjective_sold}, {adjective_sold} and made from the highest quality materials.",
    "Price: ${number}.99 | Add to Cart | Add to Wishlist | Compare",
    "{brand} {goods} - {adjective_sold} - {colour} - Size {size} - NEW",
    "In stock. Ships within {small} business days. Item #{number}-{number}",
    "This {adjective_sold} {goods} features {adjective_sold} design and easy to clean surface.",
    "Perfect for home, office, travel or as a gift for your loved ones!",
    "{number} customer reviews | Write a review | {small}.{small} out of 5 stars",
    "Love it! Great product, fast delivery, would buy again!!",
    "Color: {colour}. Weight: {number} lbs. Dimensions: {number} x {number} x {number} inches.",
    "Add a touch of style to your home with our {adjective_sold} collection of {goods}.",
    "Save up to {number}% on all {goods} this week only while supplies last.",
    "You may also like: {goods}, {goods}, {goods}",
    "Please contact us for custom orders, we accept PayPal, Visa and MasterCard.",
    "Compatible with: {brand} {number}, {brand} {number} Pro, {brand} {number} Plus",
    "These {goods} are a must have for any {adjective_sold} outfit and look great with our {goods}.",
    "{adjective_sold}! Brand new with tags. Check out my other items!",
    "SKU: {brand}{number} Category: {goods} Tags: {goods}, {goods}, {adjective_sold}",
)
_OFFERS = (
    "We are a leading provider of {adjective_sold} {service} and {service} solutions for your business.",
    "Our team of experienced professionals is dedicated to providing you with the best {service} in {city}.",
    "Whether you are looking for {service} or {service}, we have got you covered!",
    "Contact us today for a free quote and find out how we can help you with all your {service} needs.",
    "Call now at {number}-{number} or fill out our online form to get started today!",
    "We pride ourselves on quality, customer satisfaction and competitive prices.",
    "Looking for {adjective_sold} {service} in {city}? Look no further!",
    "{brand} offers a wide range of {service} services at affordable rates.",
    "Click here to learn more about our {adjective_sold} packages and special offers.",
    "Sign up now and get {number}% off your first order, plus a FREE {goods}!",
    "Don't miss out on this amazing opportunity, limited spots available!!!",
    "Make money from home with our proven system, no experience needed, earn ${number} a day!",
    "Play {game} online for real money and get your welcome bonus of {number} free spins.",
    "Buy {pill} online without prescription, cheap {pill}, overnight delivery, best prices guaranteed.",
    "Our {adjective_sold} {service} will take your business to the next level and boost your sales.",
    "Book your stay at the {brand} Hotel {city} and enjoy our {adjective_sold} rooms, free WiFi and pool.",
    "Download {brand} {number} full version free crack serial keygen torrent HD.",
    "With our state of the art {service}, you can be sure that your satisfaction is our number one priority.",
    "Get the best deals on {service}, compare prices and save big with {brand}.",
    "Lose weight fast with our all natural {pill}, results guaranteed or your money back!",
)
_GOSSIP = (
    "OMG you guys, I am sooo excited to share my new {goods} with you today!!",
    "lol i know right?? anyone else having problems with there {goods}, mine just wont work",
    "Hey everyone! Sorry I haven't posted in a while, I've been super busy with my {goods} haha.",
    "Thanks for stopping by my blog, don't forget to follow me on Instagram and Facebook!",
    "so yeah i got the {brand} {number} and its awesome, gonna post pics later :)",
    "This post contains affiliate links, which means I may get a small commission, thanks for your support!",
    "You won't believe what happened next! {small} reasons why your {goods} could be killing you.",
    "Re: {brand} {number} problem. Posted by {user}{number} on {month} {small}, 20{small}{small}, {small}:{number} pm",
    "Quote: Originally Posted by {user}{number}. I agree with this, IMO the {brand} is way better.",
    "Has anyone tried the {goods} from {brand}? I'm thinking about getting one for my birthday!",
    "Check out the hottest celebs in {adjective_sold} {goods} on the red carpet, pics inside!",
    "Top {number} best {goods} you need right now, number {small} will shock you!",
    "I'm giving away a {adjective_sold} {goods} to one lucky reader, just leave a comment below and like my page!",
    "bump... still looking for this, pm me if you have one, thx",
    "Great post, thanks for sharing! I have bookmarked your site and will be back to read more of your posts.",
    "Today I'm wearing my new {colour} {goods} from {brand}, I just love it so much!! What do you guys think?",
)
_PAGE = (
    "We use cookies to give you the best experience on our website. By continuing you agree to our cookie policy.",
    "Copyright © 20{small}{small} {brand}. All rights reserved.",
    "Please enable JavaScript in your browser to view this page.",
    "404 Not Found. The page you are looking for could not be found.",
    "You must be logged in to post a comment. Log in or register.",
    "Enter your email address to subscribe to this blog and receive notifications of new posts by email.",
    "Forgot your password? Click here to reset it.",
    "Posted in Uncategorized | {number} Comments | Leave a reply",
    "Page {small} of {number} | Next | Last »",
    "Terms of Use | Privacy Policy | Contact Us | Sitemap",
    "Share this: Twitter Facebook Pinterest Email Print",
    "Loading... Please wait",
    "Showing {small} - {number} of {number} results. Sort by: Price Newest Popularity",
    "This topic is closed. You cannot post new topics in this forum.",
    "Your cart is empty. Continue shopping",
    "Posts: {number} Joined: {month} 20{small}{small} Location: {city}",
    "Advertisement",
    "This website uses third party cookies. Accept All | Reject | Settings",
    "Website by {brand} Design. Powered by WordPress.",
    "Tags: {goods}, {city}, {service}, {goods}",
)
_LINKS = (
    "Home", "About Us", "Contact", "Login", "Register", "Search", "My Account", "Cart (0)", "Blog", "News",
    "Products", "Services", "Gallery", "FAQ", "Help", "Support", "Sitemap", "Privacy Policy", "Terms of Service",
    "Careers", "Press", "RSS", "Facebook", "Twitter", "YouTube", "Subscribe", "Newsletter", "Read more",
    "Read More...", "View all", "Click here", "Next", "Previous", "Back to top", "Share", "Like", "Reply", "Report",
    "Print", "Download", "Sign up", "Recent Posts", "Archives", "{month} 20{small}{small}", "({number})", "{goods}",
    "{service}", "{city}", "{brand}", "Categories", "Top Sellers", "On Sale", "New Arrivals", "Menu",
    "Skip to content", "Language: English", "{goods} ({number})",
)
_KEYWORDS = (
    "SUBJECT", "cheap SUBJECT", "SUBJECT for sale", "best SUBJECT", "buy SUBJECT online", "SUBJECT {city}",
    "SUBJECT reviews", "SUBJECT discount", "SUBJECT {colour}", "SUBJECT 20{small}{small}", "free SUBJECT",
    "SUBJECT ideas", "SUBJECT pictures", "{adjective_sold} SUBJECT", "{brand} SUBJECT", "SUBJECT price",
    "SUBJECT near me", "new SUBJECT", "{colour} SUBJECT", "SUBJECT wholesale", "SUBJECT coupon",
    "SUBJECT with {goods}", "{goods}",
)
_LISTS: dict[str, Sequence[str]] = {
    "a_thing": ("a {thing}", "a {quality} {thing}", "the {thing}", "the {thing} of the {place}", "a kind of {thing}"),
    "thing": (
        "bridge", "wheel", "wall", "book", "clock", "lamp", "boat", "roof", "tower", "letter", "road", "bell",
        "glass", "mirror", "stone", "instrument", "machine", "method", "law", "theory", "surface", "layer",
        "structure", "stem", "leaf", "root", "wing", "nest", "shell", "bone", "cell", "current", "wave", "window",
        "gate", "table", "map", "church", "library", "school", "harbour", "mine", "mill", "engine", "rope", "sail",
        "coin", "statue", "poem",
    ),
    "thing_plural": (
        "bridges", "wheels", "walls", "books", "clocks", "lamps", "boats", "towers", "letters", "roads", "bells",
        "instruments", "machines", "methods", "laws", "structures", "leaves", "roots", "wings", "nests", "bones",
        "cells", "maps", "churches", "schools", "mines", "mills", "engines", "coins", "statues", "poems",
    ),
    "matter": (
        "water", "iron", "clay", "salt", "light", "heat", "air", "sand", "wood", "paper", "copper", "ice", "rain",
        "wind", "oil", "grain", "wool", "silk", "chalk", "lime", "smoke", "soil", "sugar", "blood", "gas", "energy",
        "pressure", "knowledge", "language", "trade", "music", "history",
    ),
    "quality": (
        "old", "heavy", "thin", "soft", "hard", "narrow", "deep", "cold", "warm", "dark", "bright", "quiet", "rare",
        "common", "simple", "difficult", "large", "small", "round", "flat", "dry", "wet", "strong", "weak", "slow",
        "strange", "useful", "dangerous", "ancient", "natural", "certain", "different", "important",
    ),
    "changed": (
        "heated", "cooled", "cut", "broken", "carried away", "measured", "mixed", "pressed", "dried", "dissolved",
        "burned", "repaired", "rebuilt", "moved", "covered", "removed", "formed", "shaped", "replaced", "described",
        "studied", "divided", "worn down", "brought together", "made", "written down", "observed",
    ),
    "do": (
        "move", "grow", "break", "turn", "float", "burn", "melt", "live", "build", "travel", "trade", "teach",
        "write", "speak", "fall", "return", "be seen", "be used", "be understood",
    ),
    "place": (
        "river", "valley", "mountain", "coast", "island", "forest", "city", "town", "lake", "desert", "plain", "sea",
        "north", "south", "village", "province", "field", "garden", "hill", "square", "earth",
    ),
    "place_plain": (
        "cold climates", "the north", "large cities", "very few cases", "the laboratory", "theory", "the tropics",
    ),
    "side": ("north", "south", "east", "west"),
    "people": (
        "Romans", "Greeks", "settlers", "monks", "farmers", "villagers", "Dutch", "Persians", "islanders",
        "citizens", "merchants", "sailors", "inhabitants", "astronomers", "ancients", "peasants",
    ),
    "person": (
        "Anna Weber", "Thomas Hale", "John Marsh", "Maria Conti", "Peter Lund", "Elizabeth Grey", "William Ashe",
        "the physicist Karl Brandt", "the philosopher Hume", "King Henry", "an English doctor", "a French engineer",
    ),
    "worker": (
        "miller", "baker", "teacher", "sailor", "farmer", "doctor", "smith", "captain", "shepherd", "painter",
        "clerk", "carpenter", "professor", "judge", "soldier", "priest", "merchant", "boy", "girl", "stranger",
    ),
    "worker_plural": (
        "millers", "teachers", "sailors", "farmers", "doctors", "smiths", "painters", "carpenters", "judges",
        "soldiers", "priests", "merchants", "children", "strangers", "scholars", "writers",
    ),
    "century": (
        "ninth", "twelfth", "fourteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
    ),
    "year": (
        "1066", "1348", "1512", "1649", "1702", "1745", "1789", "1815", "1848", "1871", "1902", "1919", "1938",
        "1951",
    ),
    "number": (
        "3", "7", "12", "15", "20", "24", "30", "40", "45", "50", "60", "75", "80", "99", "100", "120", "200", "250",
        "300", "365", "400", "500", "640", "750", "800", "999", "1,000", "1200", "2000", "4800",
    ),
    "small": ("1", "2", "3", "4", "5", "6", "7", "8", "9"),
    "colour": ("red", "blue", "green", "white", "black", "brown", "yellow", "grey"),
    "goods": (
        "shoes", "handbag", "watch", "phone case", "dress", "sofa", "chandelier", "wallpaper", "headphones",
        "laptop", "mattress", "t-shirt", "jacket", "sunglasses", "ring", "necklace", "bracelet", "makeup",
        "hair extensions", "curtains", "rug", "lamp", "camera", "charger", "backpack", "boots", "sneakers", "bikini",
        "toys", "mug", "ebook", "tires", "parts", "kitchen cabinets", "furniture", "batteries", "jersey",
        "gift card",
    ),
    "adjective_sold": (
        "amazing", "luxury", "affordable", "stylish", "gorgeous", "best", "premium", "cute", "sexy", "unique",
        "perfect", "stunning", "modern", "elegant", "professional", "custom", "vintage", "top rated", "hot",
        "high quality", "beautiful", "exclusive", "fantastic", "awesome", "ultimate", "innovative",
    ),
    "brand": (
        "Maxi", "ProTek", "Luxora", "EZ", "Glam", "Nova", "Zento", "HomePlus", "BestBuyz", "Vivo", "Xtreme", "Kool",
    ),
    "size": ("S", "M", "L", "XL", "XXL", "8", "10", "One size"),
    "service": (
        "web design", "SEO", "plumbing", "roofing", "carpet cleaning", "car rental", "insurance", "loans",
        "marketing", "real estate", "wedding photography", "dental", "limo", "catering", "hosting", "moving",
        "repair", "massage", "consulting", "training", "recruitment", "security", "pest control", "travel", "credit",
    ),
    "city": (
        "London", "New York", "Dubai", "Sydney", "Chicago", "Delhi", "Dallas", "Toronto", "Las Vegas", "Miami",
        "Paris",
    ),
    "game": ("casino", "poker", "slots", "bingo", "roulette", "blackjack", "sports betting"),
    "pill": ("diet pills", "vitamins", "supplements", "painkillers", "hair loss treatment", "detox tea"),
    "month": ("January", "March", "April", "June", "August", "October", "December"),
    "user": ("cooldude", "mike", "jenny", "xx_racer", "guest", "admin", "sunshine"),
}
