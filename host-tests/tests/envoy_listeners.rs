//! Random listeners in istiod's forms before the import and before real Envoy. `cargo xtask conformance --listeners`
//! does the same for longer.

use gnomon_host_tests::listeners;

#[test]
fn connections_get_the_chains_that_envoy_chooses() {
    let summary = listeners::run(20_261_127, 1_000, 2).unwrap();
    println!("{summary}");
    assert_eq!(summary.disagreements, 0, "{}", summary.kept.join("\n\n"));
    // Every form comes up, and every way for a connection to end.
    assert_eq!(summary.forms.len(), 7, "{:?}", summary.forms);
    for outcome in
        ["let through", "filter_chain_not_found", "rbac_access_denied_matched_policy", "black hole"]
    {
        assert!(summary.outcomes.get(outcome).is_some_and(|count| *count > 50), "{:?}", summary.outcomes);
    }
}
