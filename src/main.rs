//! Owns the process: arguments, exit codes.

fn main() {}
