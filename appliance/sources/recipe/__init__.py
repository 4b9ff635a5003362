"""Follows a recipe: how one CRM hands out its records, request by request."""
