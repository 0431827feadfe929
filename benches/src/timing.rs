//! How long something takes: many short samples. Noise only ever adds, so the quickest tenth of them tells.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const SAMPLES: usize = 41;
const SAMPLE: Duration = Duration::from_millis(4);

/// Nanoseconds for one call of `work`, after as long a time to warm up.
pub fn time<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut calls: u32 = 1;
    loop {
        let taken = sample(calls, &mut work);
        if taken >= SAMPLE || calls > 1 << 28 {
            break;
        }
        calls *= 2;
    }
    let mut samples: Vec<f64> =
        (0..SAMPLES).map(|_| sample(calls, &mut work).as_secs_f64() * 1e9 / f64::from(calls)).collect();
    samples.sort_by(f64::total_cmp);
    samples.get(SAMPLES / 10).copied().unwrap_or(f64::NAN)
}

fn sample<T>(calls: u32, work: &mut impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(work());
    }
    start.elapsed()
}
