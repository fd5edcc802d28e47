"""Every setting, declared once, and the readers of the places where it may be set."""
