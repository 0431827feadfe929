//! What the program prints and how it exits, for real inputs. `TRYCMD=overwrite cargo test -p gnomon` writes the
//! outputs anew: read the difference.

#[test]
fn commands() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("tests/cmd/*.trycmd");
}
