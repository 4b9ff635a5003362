"""Copies of a repository in the cloud."""
