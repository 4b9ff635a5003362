"""Servers from Debian's packages as offices have them, unprivileged, each in a folder of its own.

None depends on the service that its package may bring; each ends with the block that started it.
"""
