//! Small nodes built by hand.
