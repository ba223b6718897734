//! What is decoded of nf_tables equals `nft --debug=netlink`, expression by expression; the generation is checked.
