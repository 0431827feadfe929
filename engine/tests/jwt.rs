//! RequestAuthentication against answers recorded from Envoy.

#[path = "jwt/smoke.rs"]
mod smoke;
