//! Pure questions over a `NodeView`.
//!
//! May import model only. No IO, clock, environment, randomness or layout.
pub mod answer;
pub mod cni;
mod cni_words;
pub mod fib;
