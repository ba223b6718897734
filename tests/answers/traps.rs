//! Answers on nodes built by hand.
