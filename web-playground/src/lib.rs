//! The engine for the browser, as wasm-bindgen exports it: objects in, objects out, their types in `types.ts`.
//!
//! A thin shell. What is wrong with policies, suites or requests is in the answers; an exception means that an argument
//! has not the type that TypeScript asks for, or that something panicked: then its message is thrown, and the instance
//! must not be used any more.
//!
//! Nothing is read from the clock or sent anywhere. Policies that were read stay read until others come, so that asking
//! about a changed request costs only that request.

mod all;
mod api;
mod check;
mod inventory;
mod session;
mod shape;
mod suites;

pub use all::idle_rules;
pub use api::{Answer, Compared, Finding, Input, Question, Source, Suggested, Suggestion};
pub use inventory::Inventory;
pub use session::Session;
pub use suites::{SuiteInput, read_suite, run_suite};

use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use wasm_bindgen::{
    JsCast,
    prelude::{JsError, JsValue, wasm_bindgen},
};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.ts");

#[wasm_bindgen]
extern "C" {
    /// An object of the named type in `types.ts`.
    #[wasm_bindgen(typescript_type = "Input")]
    pub type JsInput;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Answer")]
    pub type JsAnswer;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Explained")]
    pub type JsExplained;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Inventory")]
    pub type JsInventory;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Source[]")]
    pub type JsSources;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Lint")]
    pub type JsLint;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Compared")]
    pub type JsCompared;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Diagnostic[]")]
    pub type JsFindings;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Suggested")]
    pub type JsSuggested;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "SuiteInput")]
    pub type JsSuiteInput;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "SuiteRun")]
    pub type JsSuiteRun;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "SuiteContents")]
    pub type JsSuiteContents;
    /// See `types.ts`.
    #[wasm_bindgen(typescript_type = "Documents")]
    pub type JsDocuments;
}

thread_local! {
    static SESSION: RefCell<Session> = RefCell::default();
}

/// Makes a panic an exception with its message, instead of a trap without one.
#[wasm_bindgen(start)]
pub fn start() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&panic.to_string())));
}

/// The version of Gnomon.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// The newest version of Istio whose semantics are known: `1.30`.
#[wasm_bindgen(js_name = istioVersion)]
pub fn istio_version() -> String {
    gnomon_engine::workload::IstioVersion::NEWEST.to_string()
}

/// This build can check signatures by itself.
#[wasm_bindgen(js_name = checksSignatures)]
pub fn checks_signatures() -> bool {
    cfg!(feature = "signatures")
}

/// From now on this function checks signatures, which this build cannot do itself: `verify` of the module that is built
/// from `web-playground/signatures`.
#[cfg(not(feature = "signatures"))]
#[wasm_bindgen(js_name = checkSignaturesWith)]
pub fn check_signatures_with(verify: js_sys::Function) {
    check::loaded::take(verify);
}

/// The verdict on each request, without the way to it.
///
/// # Errors
///
/// The argument is no `Input`.
#[wasm_bindgen]
pub fn evaluate(input: &JsInput) -> Result<JsAnswer, JsError> {
    let input: Input = read(input)?;
    write(&SESSION.with_borrow_mut(|session| session.evaluate(&input)))
}

/// The verdict on the first request with all stages, the nearest miss, what the rules say to its tokens, and why the
/// other policies do not apply.
///
/// # Errors
///
/// The argument is no `Input`.
#[wasm_bindgen]
pub fn explain(input: &JsInput) -> Result<JsExplained, JsError> {
    let input: Input = read(input)?;
    write(&SESSION.with_borrow_mut(|session| session.explain(&input)))
}

/// Whom the policies are about: the workloads among the manifests, else those that the policies name, and which policy
/// reaches which. Of the targets only the first one's mesh is asked.
///
/// # Errors
///
/// The argument is no `Input`.
#[wasm_bindgen]
pub fn inventory(input: &JsInput) -> Result<JsInventory, JsError> {
    let input: Input = read(input)?;
    write(&SESSION.with_borrow_mut(|session| session.inventory(&input)))
}

/// What Istio's admission would refuse, and what does not say what it seems to say.
///
/// # Errors
///
/// The argument is no list of `Source`.
#[wasm_bindgen]
pub fn lint(policies: &JsSources) -> Result<JsLint, JsError> {
    let policies: Vec<Source> = read(policies)?;
    write(&session::check(&policies))
}

/// What the policies change beside the baseline, for all requests to the first target at once.
///
/// # Errors
///
/// The argument is no `Input`.
#[wasm_bindgen]
pub fn compare(input: &JsInput) -> Result<JsCompared, JsError> {
    let input: Input = read(input)?;
    write(&SESSION.with_borrow_mut(|session| session.compare(&input)))
}

/// Who may send the first request: all callers at once, with the rule that lets them.
///
/// # Errors
///
/// The argument is no `Input`.
#[wasm_bindgen(js_name = whoCan)]
pub fn who_can(input: &JsInput) -> Result<JsCompared, JsError> {
    let input: Input = read(input)?;
    write(&SESSION.with_borrow_mut(|session| session.who_can(&input)))
}

/// How the policies would have to change so that the first request passes, and what else that would let in.
///
/// # Errors
///
/// The argument is no `Input`.
#[wasm_bindgen]
pub fn suggest(input: &JsInput) -> Result<JsSuggested, JsError> {
    let input: Input = read(input)?;
    write(&SESSION.with_borrow_mut(|session| session.suggest(&input)))
}

/// The rules that can never matter, which [`lint`] leaves out, since to prove it takes longer than the rest.
///
/// # Errors
///
/// The argument is no list of `Source`.
#[wasm_bindgen(js_name = idleRules)]
pub fn idle_rules_js(policies: &JsSources) -> Result<JsFindings, JsError> {
    let policies: Vec<Source> = read(policies)?;
    write(&idle_rules(&policies))
}

/// Runs a `*.gnomon.yaml` suite with the policies that it names.
///
/// # Errors
///
/// The argument is no `SuiteInput`.
#[wasm_bindgen(js_name = runSuite)]
pub fn run_suite_js(input: &JsSuiteInput) -> Result<JsSuiteRun, JsError> {
    write(&run_suite(&read(input)?))
}

/// What a suite holds, for an editor: its policies as texts, its requests with defaults merged and matrices multiplied.
///
/// # Errors
///
/// The argument is no `SuiteInput`.
#[wasm_bindgen(js_name = readSuite)]
pub fn read_suite_js(input: &JsSuiteInput) -> Result<JsSuiteContents, JsError> {
    write(&read_suite(&read(input)?))
}

/// The documents of a YAML or JSON text as values, read as Kubernetes reads them.
///
/// # Errors
///
/// The answer could not be made a JavaScript value.
#[wasm_bindgen]
pub fn parse(text: &str) -> Result<JsDocuments, JsError> {
    write(&shape::documents(text))
}

fn read<T: DeserializeOwned>(value: &JsValue) -> Result<T, JsError> {
    let text = js_sys::JSON::stringify(value).map_err(|_| JsError::new("the argument is no JSON"))?;
    serde_json::from_str(&String::from(text)).map_err(|wrong| JsError::new(&wrong.to_string()))
}

fn write<T: JsCast>(value: &impl Serialize) -> Result<T, JsError> {
    let text = serde_json::to_string(value).map_err(|wrong| JsError::new(&wrong.to_string()))?;
    let value = js_sys::JSON::parse(&text).map_err(|_| JsError::new("the answer is no JSON"))?;
    Ok(value.unchecked_into())
}
