//! Hostile files: bounded, no panic, and what is wrong is told by item.
