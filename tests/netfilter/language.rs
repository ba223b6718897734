//! nf_tables rules as podnet writes them, against `nft -nn -a list`.
