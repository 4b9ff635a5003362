"""The box's own hardware: lamps and button, disks."""
