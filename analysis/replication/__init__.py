"""The paper at its own scale: its claims, what was measured, and the page of both."""
