"""Migrations of the database, applied in order by ``app.db.migrate``."""
