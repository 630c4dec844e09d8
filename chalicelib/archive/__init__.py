"""A tarball seen as content-addressed storage; reading never trusts it."""
