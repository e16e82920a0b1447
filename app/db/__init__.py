"""Tables, queries and sessions of the ledger."""
