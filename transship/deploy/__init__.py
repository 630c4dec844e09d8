"""
`transship deploy`: the same steps for every stage, on AWS and on this machine.

    foundation   `.chalice/foundation.json`, a CloudFormation stack of its own: what outlives the functions
    policies     `.chalice/policy-<function>.json`, narrowed to the account and the stage
    application  `chalice deploy`
    recursion    PutFunctionRecursionConfig: the functions that queue for themselves may
    invocations  AddPermission: a service invokes a function for our account's rule alone
    checks       whatever of it does not hold, with its fix

Every step may be repeated at any time; what is there already is updated.
"""

from transship.deploy.run import deploy

__all__ = ["deploy"]
