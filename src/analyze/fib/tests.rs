//! Tables of cases, each named in words.
