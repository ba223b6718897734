//! Which file wins, and whose leases are whose.
