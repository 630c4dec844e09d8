"""
IAM and STS of the local AWS: who a caller is, what they may, and who may become whom.

moto keeps users, groups, roles and policies; `moto_iam` is the only file that knows how.
`authorizer.LocalIam` is what the front door and the services are given.
"""
