"""What is wrong with what a trial is made from, told in one line."""


class DataError(ValueError):
    """Data that cannot be used; one line with the field, its value and the remedy."""
