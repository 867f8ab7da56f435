//! Copies of a SQLite store: taken beside a running daemon, checked, and brought back. Never writes to the store it copies from.
