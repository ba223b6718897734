use super::*;

#[test]
fn addresses_are_written_as_the_c_library_does() {
    for (text, written) in
        [("::1.2.3.4", "::1.2.3.4"), ("::1", "::1"), ("::2:1", "::0.2.0.1"), ("fd00::1:0:0:1", "fd00::1:0:0:1")]
    {
        assert_eq!(address(text.parse().unwrap()), written);
    }
}
