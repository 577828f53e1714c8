"""The Test place: let policies drive, take over, judge, compare."""
