"""The server side: web pages, REST API, the ledger of runs, and everything drawn from them. Never imports torch."""
