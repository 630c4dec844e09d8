"""EventBridge's delivery: from PutEvents through rules to targets. Buses, rules and targets themselves are moto's."""
