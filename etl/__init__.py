"""Kobling: from register deliveries to estimates that carry their evidence."""
