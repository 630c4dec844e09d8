"""Who may do what: the policy evaluator, our own roles, and the rules for uploaders."""
