//! Calls the command line and returns its exit code.

fn main() -> std::process::ExitCode {
    trawl::cli::main(std::env::args_os()).into()
}
