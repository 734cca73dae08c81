"""Names and texts that databases hold a limited number of characters of."""

import hashlib


def shortened(text: str, most: int) -> str:
    """The text, or so many characters of it: its ends, with a digest that tells it from others."""
    if len(text) <= most:
        return text
    middle = f"…{hashlib.sha256(text.encode()).hexdigest()[:8]}…"
    head = (most - len(middle)) // 2
    return text[:head] + middle + text[len(text) - (most - head - len(middle)) :]
