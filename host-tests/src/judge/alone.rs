//! The filter alone, enforcing: the listeners of a question without Envoy's own filters behind it.

use crate::{Filters, Listener, filter};
use serde_json::Value;

/// Takes away what stands behind the filter, and has it enforce. CUSTOM providers stand in front, and stay.
pub(super) fn enforce(listener: &mut Listener) {
    let (Filters::Http(filters) | Filters::Tcp(filters)) = &mut listener.filters;
    let named = |filter: &Value| filter.get("name").and_then(Value::as_str) == Some("gnomon");
    let Some(place) = filters.iter().position(named) else { return };
    filters.truncate(place.saturating_add(1));
    let Some(Value::String(text)) = filters.last_mut().and_then(filter::configuration) else { return };
    if let Ok(Value::Object(mut configuration)) = serde_json::from_str(text) {
        configuration.insert("mode".into(), "enforce".into());
        configuration.insert("customInFront".into(), true.into());
        *text = Value::Object(configuration).to_string();
    }
}
