//! Reading what a program saved gives the same model as reading the kernel it was saved from.
