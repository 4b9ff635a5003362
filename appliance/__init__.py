"""A backup box for the office: pulls the CRM's exports, keeps them, proves them, says so."""

__version__ = "0.1.0"
