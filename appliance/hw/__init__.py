"""The box itself: disks, lamps and button, power, the health of its parts."""
