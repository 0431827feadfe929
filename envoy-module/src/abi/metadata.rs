//! Dynamic metadata of a request.

use super::{
    Buffer, MOST_LINES,
    http::{Stream, text, written},
};
use core::ffi::c_void;
use gnomon_engine::jwt::Json;

/// Dynamic metadata, among the sources of metadata.
const DYNAMIC: u32 = 0;

unsafe extern "C" {
    fn envoy_dynamic_module_callback_http_get_metadata_namespaces_count(
        stream: *mut c_void,
        source: u32,
    ) -> usize;
    fn envoy_dynamic_module_callback_http_get_metadata_namespaces(
        stream: *mut c_void,
        source: u32,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_keys_count(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
    ) -> usize;
    fn envoy_dynamic_module_callback_http_get_metadata_keys(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_string(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
        key: Buffer,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_number(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
        key: Buffer,
        found: *mut f64,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_bool(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
        key: Buffer,
        found: *mut bool,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_list_size(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
        key: Buffer,
        found: *mut usize,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_list_string(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
        key: Buffer,
        index: usize,
        found: *mut Buffer,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_list_number(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
        key: Buffer,
        index: usize,
        found: *mut f64,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_get_metadata_list_bool(
        stream: *mut c_void,
        source: u32,
        namespace: Buffer,
        key: Buffer,
        index: usize,
        found: *mut bool,
    ) -> bool;
}

impl Stream<'_> {
    /// The filters that have left dynamic metadata.
    pub(crate) fn metadata_namespaces(&self) -> Vec<Vec<u8>> {
        // SAFETY: the stream is that of the hook that runs; there is room for as many as there are.
        unsafe {
            let count = envoy_dynamic_module_callback_http_get_metadata_namespaces_count(self.at, DYNAMIC);
            names(count, |found| {
                envoy_dynamic_module_callback_http_get_metadata_namespaces(self.at, DYNAMIC, found)
            })
        }
    }

    /// What one of them has left.
    pub(crate) fn metadata_keys(&self, namespace: &[u8]) -> Vec<Vec<u8>> {
        let namespace = Buffer::of(namespace);
        // SAFETY: as above.
        unsafe {
            let count =
                envoy_dynamic_module_callback_http_get_metadata_keys_count(self.at, DYNAMIC, namespace);
            names(count, |found| {
                envoy_dynamic_module_callback_http_get_metadata_keys(self.at, DYNAMIC, namespace, found)
            })
        }
    }

    /// A value that is a text, a number, a boolean or a list; the ABI shows no others, also not in lists, where null stands
    /// for them.
    pub(crate) fn metadata_value(&self, namespace: &[u8], key: &[u8]) -> Option<Json> {
        let (at, from, namespace, key) = (self.at, DYNAMIC, Buffer::of(namespace), Buffer::of(key));
        // SAFETY: the stream is that of the hook that runs, both names live, and Envoy writes one value of the kind.
        unsafe {
            let string = |found| {
                envoy_dynamic_module_callback_http_get_metadata_string(at, from, namespace, key, found)
            };
            let number = |found| {
                envoy_dynamic_module_callback_http_get_metadata_number(at, from, namespace, key, found)
            };
            let truth =
                |found| envoy_dynamic_module_callback_http_get_metadata_bool(at, from, namespace, key, found);
            let size = |found| {
                envoy_dynamic_module_callback_http_get_metadata_list_size(at, from, namespace, key, found)
            };
            if let Some(text) = text(string) {
                return Some(Json::String(String::from_utf8(text).ok()?));
            }
            let single =
                written(0.0, number).map(Json::Number).or_else(|| written(false, truth).map(Json::Bool));
            if single.is_some() {
                return single;
            }
            let item = |index| {
                let string = |found| {
                    envoy_dynamic_module_callback_http_get_metadata_list_string(
                        at, from, namespace, key, index, found,
                    )
                };
                let number = |found| {
                    envoy_dynamic_module_callback_http_get_metadata_list_number(
                        at, from, namespace, key, index, found,
                    )
                };
                let truth = |found| {
                    envoy_dynamic_module_callback_http_get_metadata_list_bool(
                        at, from, namespace, key, index, found,
                    )
                };
                if let Some(text) = text(string) {
                    return Some(Json::String(String::from_utf8(text).ok()?));
                }
                written(0.0, number).map(Json::Number).or_else(|| written(false, truth).map(Json::Bool))
            };
            let size = written(0, size)?;
            Some(Json::List(
                (0..size.min(MOST_LINES)).map(|index| item(index).unwrap_or(Json::Null)).collect(),
            ))
        }
    }
}

/// Names of which there are so many.
///
/// # Safety
///
/// The callback fills in as many buffers as `count` says, with texts that live until the hook ends.
unsafe fn names(count: usize, call: impl FnOnce(*mut Buffer) -> bool) -> Vec<Vec<u8>> {
    if count == 0 || count > MOST_LINES {
        return Vec::new();
    }
    let mut found = vec![Buffer::NONE; count];
    if !call(found.as_mut_ptr()) {
        return Vec::new();
    }
    // SAFETY: the caller vouches for it.
    found.iter().map(|name| unsafe { name.bytes() }.to_vec()).collect()
}
