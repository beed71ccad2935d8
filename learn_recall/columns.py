"""Column names of the canonical tables, in one place: no other file spells them."""

USER_ID = "user_id"
ITEM_ID = "item_id"

# interactions
TIMESTAMP = "timestamp"  # unix seconds, integer or float
POSITION = "position"  # 0 = oldest event of the user

# items
TITLE = "title"
CATEGORY = "category"
BRAND = "brand"
PRICE = "price"
KEYWORDS = "keywords"  # a string or a list of strings
ATTRIBUTES = "attributes"  # a string or a list of strings

# impressions
CLICK = "click"  # 0 or 1
CONVERSION = "conversion"  # 0 or 1; empty where click is 0
VALUE = "value"  # money or any other worth, empty allowed
REQUEST_ID = "request_id"
CONTEXT_ID = "context_id"  # the row of `contexts` that holds the user as known at the request

# contexts
HISTORY = "history"  # list of item_id, oldest first
HISTORY_CONVERTED = "history_converted"  # list of bool beside it: the user converted on that item

# predictions, beside the labels of their rows
PCTR = "pctr"  # probability of a click
PCVR = "pcvr"  # probability of a conversion, given a click
PCTCVR = "pctcvr"  # probability of both
USER_BUCKET = "user_bucket"  # one of learn_rank.metrics.buckets.BUCKETS, by counts of training
ITEM_BUCKET = "item_bucket"
ITEM_IS_NEW = "item_is_new"
ITEM_AGE = "item_age"  # one of learn_rank.metrics.item_age.AGES, at the time of the row

__all__ = [
    "ATTRIBUTES",
    "BRAND",
    "CATEGORY",
    "CLICK",
    "CONTEXT_ID",
    "CONVERSION",
    "HISTORY",
    "HISTORY_CONVERTED",
    "ITEM_AGE",
    "ITEM_BUCKET",
    "ITEM_ID",
    "ITEM_IS_NEW",
    "KEYWORDS",
    "PCTCVR",
    "PCTR",
    "PCVR",
    "POSITION",
    "PRICE",
    "REQUEST_ID",
    "TIMESTAMP",
    "TITLE",
    "USER_BUCKET",
    "USER_ID",
    "VALUE",
]

#: of a context: the towers learned from the very rows that refer to it, so their own block is left out
IS_LEARNED = "is_learned"
