//! Not furnished yet.

fn main() {}
