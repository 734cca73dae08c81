"""What an error says to a person: one line, and no password in it. Without a slow import."""

import re


def one_line(error: BaseException) -> str:
    """What an error says, in one line and without a password."""
    return without_passwords(" ".join(str(error).split())) or type(error).__name__


def without_passwords(text: str) -> str:
    """The text with the user and password of every address in it left out."""
    return re.sub(r"//[^/@\s]+@", "//…@", text)
