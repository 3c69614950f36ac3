"""Result tables, one file a data set: ``recgoat table experiments/tables/NAME.py``."""
