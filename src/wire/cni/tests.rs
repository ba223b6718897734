//! Codec cases.
