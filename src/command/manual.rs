//! Owns `surgewatch man` and `surgewatch completions`: pages and scripts made from the command line itself.

use super::{Cli, CommandError};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::{self, Write};

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// A command, as `replay`; without it the page of surgewatch itself.
    command: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn man(args: &ManArgs) -> Result<(), CommandError> {
    let mut all = Cli::command();
    all.build();
    // The library calls what stands below the options EXTRA and fills its lines; of a command it is examples, line by line.
    let extra = match &args.command {
        None => ".SH \"EXIT CODES\"",
        Some(_) => ".SH EXAMPLES\n.nf",
    };
    let page = match &args.command {
        None => all,
        Some(name) => match all.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let names: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
                return Err(CommandError::Usage(format!(
                    "there is no command `{name}`; ask for one of {}",
                    names.join(", ")
                )));
            }
        },
    };
    let mut text = Vec::new();
    Man::new(page)
        .render(&mut text)
        .expect("writing to memory does not fail");
    let text = String::from_utf8(text).expect("help texts are text");
    hand_out(text.replace(".SH EXTRA", extra).as_bytes());
    Ok(())
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "surgewatch", &mut text);
    hand_out(&text);
    Ok(())
}

/// A reader that went away is no error.
fn hand_out(text: &[u8]) {
    let _ = io::stdout().write_all(text);
}
