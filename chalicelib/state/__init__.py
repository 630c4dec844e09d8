"""What is known of an upload, in the table: records, leases, claims, decisions."""
