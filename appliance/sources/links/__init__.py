"""Links in an inbox: files that hold one are read, and what they lead to is fetched.

A link may be signed, and is a secret then for as long as it lives: it stands in no sentence, no
error and no record of ours, and the file that holds it is never archived.
"""
