#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gnomon_fuzz::differences(data));
