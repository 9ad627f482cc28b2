//! The anomalysd command.
//!
//! [`args`] is what the user may type, [`device`] and [`engine`] turn it into a model on a device,
//! [`commands`], [`eval`] and [`ablate`] do the work through the library crates and on [`workers`], [`cache`] keeps fits,
//! [`output`], [`pictures`], [`chart`] and [`html`] write what people and programs read. Exit codes: 0 done, 1 our fault,
//! 2 input or usage, 3 `--fail-on` met, 130 interrupted (`serve`: 0, Ctrl-C is how it ends).

mod ablate;
mod args;
mod cache;
mod chart;
mod commands;
mod dashboard;
mod device;
mod engine;
mod error;
mod eval;
mod html;
mod learned;
mod memory;
mod model;
mod output;
mod photos;
mod pictures;
mod profile;
mod progress;
mod prompts;
mod shard;
mod watch;
mod workers;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command, LogArgs, LogFormat};
use error::Outcome;

fn main() -> ExitCode {
    memory::keep_what_is_freed();
    let cli = Cli::parse();
    start_log(&cli.logging);
    let quiet = cli.logging.quiet;
    let done = progress::catch_interrupts().and_then(|()| match cli.command {
        // It waits for requests, on threads of its own.
        command @ Command::Serve(_) => dispatch(command, quiet),
        command => workers::run(command.threads(), || dispatch(command, quiet)),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("anomalysd: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(command: Command, quiet: bool) -> Outcome {
    match command {
        Command::Detect(args) => commands::detect::run(&args, quiet),
        Command::Fit(args) => commands::fit::run(&args, quiet),
        Command::Calibrate(args) => commands::calibrate::run(&args, quiet),
        Command::Eval(args) => eval::run(&args, quiet),
        Command::Ablate(args) => ablate::run(&args, quiet),
        Command::Inpaint(args) => commands::inpaint::run(&args, quiet),
        Command::Export(args) => commands::export::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Pretrain(args) => commands::pretrain::run(&args, quiet),
        Command::Synth(args) => commands::synth::run(&args, quiet),
        Command::Bench(args) => commands::bench::run(&args, quiet),
        Command::Serve(args) => commands::serve::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut command = Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "anomalysd", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())
}

fn start_log(logging: &LogArgs) {
    let level = match (logging.quiet, logging.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "anomalysd=info,anomalysd_detect=info,anomalysd_train=info,warn",
        (_, 2) => "debug",
        _ => "trace",
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::io::stderr);
    match logging.log_format {
        LogFormat::Text => builder.without_time().init(),
        LogFormat::Json => builder.json().init(),
    }
}
