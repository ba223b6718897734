//! xtables rules of both back ends: headers, chains, whole recordings, against both `iptables-save` programs.
