"""What to look at, in order, where vectors without knowledge gained: on the page and in docs/report.md."""

LOOKS = (
    (
        "More seeds",
        "One lucky training looks like a gain. Is the lift of the control there with five seeds, and in each "
        "of them?",
    ),
    (
        "A leak of the row itself",
        "The history of a row must not hold its own item, and no count its own click. Does the lift vanish "
        "with the user vectors taken away, or on test rows that lie a day after the last training row?",
    ),
    (
        "Who has a vector",
        "The control keeps who has one. If rows without a vector are clicked otherwise (new items, a kind of "
        'page), that alone gains: compare the shares under "How many have a vector", and give the baseline '
        "that flag.",
    ),
    (
        "Capacity",
        "A shuffled vector is still the same for every row of its item: it is a second id. Give the baseline "
        "wider ids, and a weight decay that is not at the edge of what was tried.",
    ),
    (
        "A weak baseline",
        "Compare it with plain rates, recent popularity and the rate of the author, brand or category. What "
        "one of these gains is no knowledge of texts: give it to the baseline as a feature.",
    ),
    (
        "LEARN minus shuffled",
        "What is left above 0 is the content of the vectors. When the control is quiet, believe that.",
    ),
)

__all__ = ["LOOKS"]
