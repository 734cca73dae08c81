"""What is wrong with what a trial is made from or kept in, told in one line."""


class DataError(ValueError):
    """Data that cannot be used; one line with the field, its value and the remedy."""


class StorageError(OSError):
    """The storage of records, warm-ups and checkpoints does not answer."""
