//! Verdicts in wasmtime: `verdicts_in_wasmtime MODULE`; lines as the native benchmark prints them.

use std::{
    env,
    error::Error,
    fs,
    time::{Duration, Instant},
};
use wasmtime::{Engine, Instance, Module, Store};

const SAMPLES: usize = 41;
const SAMPLE: Duration = Duration::from_millis(4);

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("the one argument is the module built from benches")?;
    let engine = Engine::default();
    let module = Module::new(&engine, fs::read(path)?)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let choose = instance.get_typed_func::<u32, u32>(&mut store, "choose")?;
    let ask = instance.get_typed_func::<u32, u32>(&mut store, "ask")?;
    for count in [0, 10, 100, 1_000, 10_000] {
        let rules = choose.call(&mut store, count)?;
        let mut sample = |times: u32| -> Result<Duration, Box<dyn Error>> {
            let start = Instant::now();
            let allowed = ask.call(&mut store, times)?;
            let taken = start.elapsed();
            if allowed == times {
                Ok(taken)
            } else {
                Err(format!("{allowed} of {times} verdicts allow").into())
            }
        };
        let mut times = 1;
        while sample(times)? < SAMPLE {
            times *= 2;
        }
        let mut samples = Vec::new();
        for _ in 0..SAMPLES {
            samples.push(sample(times)?.as_secs_f64() * 1e9 / f64::from(times));
        }
        samples.sort_by(f64::total_cmp);
        let taken = samples.get(SAMPLES / 10).copied().unwrap_or(f64::NAN);
        let what = if count == 0 { "realistic" } else { "worst" };
        println!("gnomon in wasmtime\t{what}\t{rules}\t{taken:.1}\tns");
    }
    Ok(())
}
