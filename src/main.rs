//! Owns the process: arguments, the chain of an error on standard error, exit codes.

use clap::Parser;
use std::process::ExitCode;
use surgewatch::command::{Cli, execute};

/// Also takes the place of the C library's `malloc`: librdkafka allocates on one thread what the loop frees on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            let _ = answer.print();
            return if answer.use_stderr() {
                ExitCode::from(64)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("surgewatch: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
