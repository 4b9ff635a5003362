"""Vendors of CRMs, as honest as their documentation: real TLS, real sign-ins, jobs, pages, links.

`serving` has the sockets, `vendor` what every vendor does, `office` the data they hold, `traps` the
ways in which the real ones trip a puller; then one file per vendor.
"""
