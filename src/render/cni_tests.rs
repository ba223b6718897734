//! How the CNI files are written.
