"""Commands: one file each, typed by the dataclasses that the code uses."""
