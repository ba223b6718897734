//! Plans, builds, tells and removes practice networks.
//!
//! May import sys, wire and model. Never collect, analyze, render or cli.
