//! The targets under libFuzzer: `TRAWL_FUZZ=title cargo +nightly fuzz run --fuzz-dir fuzz/libfuzzer libfuzzer`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "libFuzzer needs no names and no words")]
#[path = "../src/targets/mod.rs"]
mod targets;

fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<&targets::Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("TRAWL_FUZZ").unwrap_or_default();
        targets::target(&name).unwrap_or_else(|| panic!("TRAWL_FUZZ names no target: {name:?}"))
    });
    (target.run)(data);
});
