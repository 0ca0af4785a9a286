"""The tool calls in words of word_tasks.py: five functions with docstrings, and what is asked of them."""

from tiny_tools_requests import DAYS, NAMES, Functions, Kind

FUNCTIONS: Functions = {
    "set_timer": {"minutes": "integer"},
    "send_money": {"to": "string", "cents": "integer"},
    "book_table": {"name": "string", "day": "string", "guests": "integer"},
    "set_heat": {"room": "string", "degrees": "integer"},
    "remind": {"day": "string", "hour": "integer", "text": "string"},
}
DOCSTRINGS = {
    "set_timer": "Rings after some minutes.",
    "send_money": "Pays somebody, in cents.",
    "book_table": "Reserves a table on a day.",
    "set_heat": "Heats a room to a temperature.",
    "remind": "Says a text on a day, at an hour from 0 to 23.",
}
ROOMS = ("bath", "hall", "kitchen", "office")
ERRANDS = ("call mum", "pay rent", "feed the cat", "water the roses")
PEOPLE = tuple(name.capitalize() for name in NAMES)
KINDS = (
    Kind("set_timer", 1, ("Ring in {} minutes.", "Wake me after {} minutes."), (range(2, 300),)),
    Kind("set_timer", 2, ("Ring in {} hours.", "Wake me after {} hours."), (range(2, 60),), lambda h: (60 * h,)),
    Kind(
        "set_timer", 3, ("Ring in {} hours and {} minutes.",), (range(2, 20), range(2, 60)), lambda h, m: (60 * h + m,)
    ),
    Kind("send_money", 1, ("Send {} {} cents.", "Pay {1} cents to {0}."), (PEOPLE, range(2, 1000))),
    Kind("send_money", 2, ("Send {} {} dollars.",), (PEOPLE, range(2, 200)), lambda n, d: (n, 100 * d)),
    Kind(
        "send_money",
        3,
        ("Send {} {} dollars and {} cents.",),
        (PEOPLE, range(2, 90), range(10, 99)),
        lambda n, d, c: (n, 100 * d + c),
    ),
    Kind(
        "book_table", 1, ("{0}: a table for {2} on {1}.", "Book {1} for {0}, {2} guests."), (PEOPLE, DAYS, range(2, 13))
    ),
    Kind(
        "book_table",
        2,
        ("{0}: on {1}, a table for me and {2} friends.",),
        (PEOPLE, DAYS, range(2, 12)),
        lambda n, d, g: (n, d, g + 1),
    ),
    Kind(
        "book_table",
        3,
        ("{0}: on {1}, a table for {2} couples and a child.",),
        (PEOPLE, DAYS, range(2, 9)),
        lambda n, d, g: (n, d, 2 * g + 1),
    ),
    Kind("set_heat", 1, ("Make the {} {} degrees warm.", "{1} degrees in the {0}."), (ROOMS, range(5, 36))),
    Kind("set_heat", 2, ("The {0} is at {1} degrees; one more.",), (ROOMS, range(5, 36)), lambda r, d: (r, d + 1)),
    Kind(
        "set_heat",
        3,
        ("The {0} is at {1} degrees; {2} less.",),
        (ROOMS, range(15, 36), range(2, 10)),
        lambda r, d, c: (r, d - c),
    ),
    Kind("remind", 1, ("On {} at {} h: {}.", "{2}, {0} at {1} h."), (DAYS, range(24), ERRANDS)),
    Kind(
        "remind",
        2,
        ("On {} at {} pm: {}.", "{2}, {0} at {1} pm."),
        (DAYS, range(1, 12), ERRANDS),
        lambda d, h, t: (d, h + 12, t),
    ),
    Kind(
        "remind",
        3,
        ("On {} at {} pm, but two hours before: {}.",),
        (DAYS, range(3, 12), ERRANDS),
        lambda d, h, t: (d, h + 10, t),
    ),
)
