"""A small office of our own making behind real servers: for `appliance demo` and for the tests."""
