//! Every match with the options people use, against both `iptables-save` programs.
