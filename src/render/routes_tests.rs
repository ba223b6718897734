//! How tables and look-ups are written.
