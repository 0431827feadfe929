//! `gnomon-bindgen MODULE NAME FOLDER`: what wasm-pack does for the page behind the compiler, where there is no wasm-pack. Compiling that and
//! the whole program `wasm-bindgen` takes seven minutes on two cores, compiling this one minute.

use std::{env, process::ExitCode};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [module, name, folder] = arguments.as_slice() else {
        eprintln!("usage: gnomon-bindgen MODULE NAME FOLDER");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    let made = bindgen
        .input_path(module)
        .out_name(name)
        .omit_default_module_path(false)
        .typescript(true)
        .web(true)
        .and_then(|bindgen| bindgen.generate(folder));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("{module}: {wrong:?}");
            ExitCode::FAILURE
        }
    }
}
