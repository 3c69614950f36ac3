"""Search files for ``recgoat tune``: what a study may vary, one file a space."""
