"""
What an operator can find out about a deployment: what holds, what does not, and how each is mended.

    deploy.checks   functions and their settings, queues with their policies, notification and schedule
    identities      who looks, and as whom each function runs
    storage         bucket, table, dead letters
    bus             events: who hears them, and that nobody else can put any
    rights          what each role may, against its own policy
    repositories    what the roles may in the repositories that the access rules speak of, as preflight judges it
    replication     where images must arrive, who reads them back there, and whether they are let in

Everything only reads, with the rights of whoever calls it.
What nobody lets us look at neither holds nor fails: it is a finding of its own, and says how to see more.
"""

from transship.doctor.examine import examine

__all__ = ["examine"]
