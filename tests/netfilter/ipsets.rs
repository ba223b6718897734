//! ipsets and recent lists against `ipset` and `/proc`.
